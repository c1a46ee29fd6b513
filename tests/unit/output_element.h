#pragma once

#include "reference/rows.h"
#include "support/elements.h"

namespace attnbench {

/// Column `column` of a row of an output, in float64.
inline double element(const TensorView& view, const reference::Row& row, std::int64_t column) {
  return get_element(view, row.batch, row.head, row.query, column);
}

}  // namespace attnbench
