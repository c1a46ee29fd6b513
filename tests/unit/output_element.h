#pragma once

#include "attnbench/dtype.h"
#include "attnbench/tensor.h"
#include "reference/rows.h"

namespace attnbench {

/// Column `column` of a row of an output, in float64.
inline double element(const TensorView& view, const reference::Row& row, std::int64_t column) {
  if (view.dtype == DType::f32) return view.row<float>(row.batch, row.head, row.query)[column];
  return bf16_to_float(view.row<bf16_bits>(row.batch, row.head, row.query)[column]);
}

}  // namespace attnbench
