#pragma once

#include <array>
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

/// Output rows in float64, in the order asked for: rows x width of each output, empty where the problem has
/// no such output.
class RowResults {
 public:
  std::vector<double>& operator[](Role role) { return values_[static_cast<std::size_t>(role)]; }
  const std::vector<double>& operator[](Role role) const { return values_[static_cast<std::size_t>(role)]; }

 private:
  std::array<std::vector<double>, kAllRoles.size()> values_;
};

/// All rows where there are at most `limit`; else `limit` of them, stratified over batch entries and heads,
/// with first, last and tile-edge rows (multiples of 16, 32, 64, block and window sizes, and their
/// neighbours).
std::vector<Row> sample_rows(const Problem& problem, std::int64_t limit = 256);

}  // namespace attnbench::reference
