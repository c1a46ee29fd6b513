#pragma once

#include <cstdint>

#include "attnbench/tensor.h"

namespace attnbench {

/// One element of a view of any type.
inline float get_element(const TensorView& view, std::int64_t batch, std::int64_t head, std::int64_t row,
                         std::int64_t column) {
  return visit(view.dtype, [&](auto type) {
    return static_cast<float>(view.row<const typename decltype(type)::type>(batch, head, row)[column]);
  });
}

inline void set_element(const TensorView& view, std::int64_t batch, std::int64_t head, std::int64_t row,
                        std::int64_t column, float value) {
  visit(view.dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    view.row<T>(batch, head, row)[column] = static_cast<T>(value);
  });
}

}  // namespace attnbench
