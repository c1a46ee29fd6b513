#pragma once

#include <algorithm>

#include "engines/cuda/cuda_error.h"
#include "engines/cuda/cuda_kernel.h"
#include "engines/cuda/execution.h"
#include "engines/cuda/matmul.h"
#include "engines/cuda/unfused/elementwise.h"

/// What the unfused kernels share. Each runs as an eager framework would: products by cuBLASLt over all heads
/// at once, with a launch for each elementwise step between them, and every result in device memory.
namespace attnbench::cuda {

/// f32 or bf16, one length for the whole batch, cuBLASLt.
Support unfused_support(const Problem& problem, const Device& device);

/// Rows of one head as an operand of a product.
inline MatrixRows rows_of(const TensorView& view, bool transposed = false) {
  return {view.strides[2], view.strides[1], transposed};
}
inline MatrixRows dense_rows(std::int64_t width, std::int64_t rows, bool transposed = false) {
  return {width, rows * width, transposed};
}
/// A row of scores begins on a 16-byte boundary, as f32 and as P.
inline std::int64_t padded(std::int64_t columns) { return (columns + 7) / 8 * 8; }
/// P in place of f32 scores, elements a row.
inline std::int64_t p_stride(std::int64_t score_stride, DType p) { return score_stride * 4 / size_bytes(p); }

template <typename E>
class UnfusedKernel : public CudaKernel<E> {
 public:
  Support core_supports(const Problem& problem, const Device& device) const final {
    return unfused_support(problem, device);
  }
};

}  // namespace attnbench::cuda
