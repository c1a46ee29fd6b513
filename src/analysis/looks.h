#pragma once

#include <vector>

#include "store/records.h"

namespace attnbench {

/// The numbers of processes at which a cell of the run's plan may stop, rising; empty where it does not say.
std::vector<int> planned_looks(const RunRecord& run);

/// How many of a cell's valid processes, from the first on, its results are of. In profile publish the
/// largest planned look reached: stopping between two is deciding by what one saw. All where none is reached,
/// and in the other profiles.
int judged_processes(const RunRecord& run, int valid_processes);

}  // namespace attnbench
