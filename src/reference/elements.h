#pragma once

#include <cstdint>
#include <string>

#include "attnbench/error.h"
#include "attnbench/tensor.h"

namespace attnbench::reference {

/// Rounds to the element type, to nearest even. Throws InputError for f16, which the reference lacks.
inline float round_to(DType dtype, float value) {
  switch (dtype) {
    case DType::f32:
      return value;
    case DType::bf16:
      return bf16_to_float(bf16_from_float(value));
    case DType::f16:
      break;
  }
  throw InputError("dtype", name(dtype), "has no reference implementation");
}

/// Reads row (batch, head, position) of any element type into float or double.
template <typename Real>
void load_row(const TensorView& view, std::int64_t batch, std::int64_t head, std::int64_t position,
              Real* out) {
  const auto width = view.sizes[3];
  if (view.dtype == DType::f32) {
    const auto* in = view.row<const float>(batch, head, position);
    for (std::int64_t c = 0; c < width; ++c) out[c] = static_cast<Real>(in[c]);
  } else if (view.dtype == DType::bf16) {
    const auto* in = view.row<const bf16_bits>(batch, head, position);
    for (std::int64_t c = 0; c < width; ++c) out[c] = static_cast<Real>(bf16_to_float(in[c]));
  } else {
    throw InputError("dtype", name(view.dtype), "has no reference implementation");
  }
}

/// Writes sizes[3] values to row (batch, head, position), rounded to the view's element type.
inline void store_row(const TensorView& view, std::int64_t batch, std::int64_t head, std::int64_t position,
                      const float* values) {
  const auto width = view.sizes[3];
  if (view.dtype == DType::f32) {
    auto* out = view.row<float>(batch, head, position);
    for (std::int64_t c = 0; c < width; ++c) out[c] = values[c];
  } else if (view.dtype == DType::bf16) {
    auto* out = view.row<bf16_bits>(batch, head, position);
    for (std::int64_t c = 0; c < width; ++c) out[c] = bf16_from_float(values[c]);
  } else {
    throw InputError("dtype", name(view.dtype), "has no reference implementation");
  }
}

}  // namespace attnbench::reference
