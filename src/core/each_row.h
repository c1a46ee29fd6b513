#pragma once

#include <cstdint>

#include "attnbench/tensor.h"

namespace attnbench {

/// Calls visit(batch, head, position) for the rows of a view, in that order, until it returns true. Whether
/// it did.
template <typename Visit>
bool any_row(const TensorView& view, Visit visit) {
  for (std::int64_t b = 0; b < view.sizes[0]; ++b) {
    for (std::int64_t h = 0; h < view.sizes[1]; ++h) {
      for (std::int64_t i = 0; i < view.sizes[2]; ++i) {
        if (visit(b, h, i)) return true;
      }
    }
  }
  return false;
}

/// Calls visit(batch, head, position) for all rows of a view.
template <typename Visit>
void for_each_row(const TensorView& view, Visit visit) {
  any_row(view, [&](auto b, auto h, auto i) {
    visit(b, h, i);
    return false;
  });
}

}  // namespace attnbench
