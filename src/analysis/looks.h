#pragma once

#include <optional>
#include <vector>

#include "store/records.h"

namespace attnbench {

/// The numbers of processes at which a cell of the run's plan may stop, rising; empty where it does not say.
std::vector<int> planned_looks(const RunRecord& run);

/// How many of a cell's valid processes, from the first on, its results are of. In profiles that stop on
/// width the largest planned look reached: stopping between two is deciding by what one saw. All where none
/// is reached, and in the other profiles.
int judged_processes(const RunRecord& run, int valid_processes);

/// The margin of EQUIVALENT where the plan decides it: with a look below ten processes the wide one holds at
/// every look (stats::equivalence_margin), so that more processes, measured since intervals were wide, are
/// not held to a margin that fewer were not. Nothing: the number of processes decides.
std::optional<double> planned_margin(const RunRecord& run);

}  // namespace attnbench
