#pragma once

#include <vector>

#include "attnbench/problem.h"

namespace attnbench {

/// A problem that tuning may measure.
struct GridProblem {
  Problem problem;
  bool coarse = false;  ///< one of the few that are measured first
};

/// Problems of each mechanism and element type over powers of two: prefill with N from 1 to 16384 and, for
/// softmax mechanisms, decode with 1 to 16 queries over 128 to 65536 keys; batches of 1, 4 and 16; 8 heads of
/// 64 and 32 of 128; 1, 4 and 8 query heads for a head of K and V where the mechanism is mha (which stands
/// for gqa and mqa). What validate() refuses is left out. The coarse ones are prefill with batch 1 and every
/// eighth N, and decode with one query.
std::vector<GridProblem> tune_grid(const std::vector<Mechanism>& mechanisms,
                                   const std::vector<DType>& dtypes);

/// Problems of each mechanism and element type of which a kernel must pass those that it computes before it
/// is timed on others of their kind: prefill over a length that divides by nothing, D = 64, and three queries
/// of a longer batch, D = 128; where the mechanism is mha with grouped heads and without.
std::vector<Problem> verification_problems(const Mechanism& mechanism, DType dtype);

}  // namespace attnbench
