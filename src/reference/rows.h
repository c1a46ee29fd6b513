#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "attnbench/tensor.h"

namespace attnbench::reference {

/// One output row. In layer scope a row is (batch, 0, query), d_model wide.
struct Row {
  std::int64_t batch = 0;
  std::int64_t head = 0;
  std::int64_t query = 0;
  bool operator==(const Row&) const = default;
};

/// Output rows in float64, in the order asked for.
struct RowResults {
  std::int64_t width = 0;   ///< head_dim_v, or d_model in layer scope
  std::vector<double> o;    ///< rows x width
  std::vector<double> lse;  ///< one a row; empty in layer scope and for linear mechanisms
};

/// All rows where there are at most `limit`; else `limit` of them, stratified over batch entries and heads,
/// with first, last and tile-edge rows (multiples of 16, 32, 64, block and window sizes, and their
/// neighbours).
std::vector<Row> sample_rows(const Problem& problem, std::int64_t limit = 256);

}  // namespace attnbench::reference
