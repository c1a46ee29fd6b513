#pragma once

#include <cstdint>

#include "attnbench/dtype.h"
#include "attnbench/tensor.h"

namespace attnbench::cuda {

/// A view of device memory, as kernels take it. Strides count elements.
struct Strided {
  void* data = nullptr;
  DType dtype = DType::f32;
  std::int32_t heads = 0, rows = 0, width = 0;
  std::int64_t batch_stride = 0, head_stride = 0, row_stride = 0;
};

inline Strided strided(const TensorView& view) {
  return {view.data,
          view.dtype,
          static_cast<std::int32_t>(view.sizes[1]),
          static_cast<std::int32_t>(view.sizes[2]),
          static_cast<std::int32_t>(view.sizes[3]),
          view.strides[0],
          view.strides[1],
          view.strides[2]};
}

}  // namespace attnbench::cuda
