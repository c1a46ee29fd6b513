#pragma once

#include "analysis/analysis.h"

namespace attnbench {

/// One series a kernel that is ok at two or more N of the group. In published runs no crossover has a range.
std::vector<SeriesAnalysis> analyze_series(const GroupAnalysis& group, bool published);

}  // namespace attnbench
