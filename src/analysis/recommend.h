#pragma once

#include "analysis/analysis.h"

namespace attnbench {

/// For each N what to use of all kernels there, then the same for each mechanism that has a kernel with a
/// ratio.
std::vector<Recommendation> recommend(const GroupAnalysis& group);

/// "5.31 (95 % CI 5.20-5.42)"; only the estimate where the interval is unbounded.
std::string ratio_in_words(const stats::Interval& ratio);

}  // namespace attnbench
