#pragma once

#include <cstddef>
#include <cstdint>

#include "attnbench/tensor.h"

namespace attnbench::cpu::fused {

/// Rows of one batch entry of a view, by byte addresses.
class Rows {
 public:
  Rows(const TensorView& view, std::int64_t batch)
      : element_(size_bytes(view.dtype)),
        head_stride_(view.strides[1] * element_),
        row_stride_(view.strides[2] * element_),
        data_(static_cast<std::byte*>(view.data) + batch * view.strides[0] * element_) {}
  std::byte* at(std::int64_t head, std::int64_t row) const {
    return data_ + head * head_stride_ + row * row_stride_;
  }
  std::int64_t stride() const { return row_stride_; }

 private:
  std::int64_t element_, head_stride_, row_stride_;
  std::byte* data_;
};

inline std::int64_t round_up(std::int64_t value, std::int64_t unit) {
  return (value + unit - 1) / unit * unit;
}

}  // namespace attnbench::cpu::fused
