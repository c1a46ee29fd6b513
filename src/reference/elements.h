#pragma once

#include <cstdint>

#include "attnbench/tensor.h"

namespace attnbench::reference {

/// Rounds to the element type, to nearest even.
inline float round_to(DType dtype, float value) {
  return visit(dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    return static_cast<float>(static_cast<T>(value));
  });
}

/// Reads row (batch, head, position) of any element type into float or double.
template <typename Real>
void load_row(const TensorView& view, std::int64_t batch, std::int64_t head, std::int64_t position,
              Real* out) {
  visit(view.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    const auto* in = view.row<const T>(batch, head, position);
    for (std::int64_t c = 0; c < view.sizes[3]; ++c) out[c] = static_cast<Real>(static_cast<float>(in[c]));
  });
}

/// Writes sizes[3] values to row (batch, head, position), rounded to the view's element type.
inline void store_row(const TensorView& view, std::int64_t batch, std::int64_t head, std::int64_t position,
                      const float* values) {
  visit(view.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    auto* out = view.row<T>(batch, head, position);
    for (std::int64_t c = 0; c < view.sizes[3]; ++c) out[c] = static_cast<T>(values[c]);
  });
}

}  // namespace attnbench::reference
