#pragma once

#include <map>
#include <string>

#include "analysis/analysis.h"

namespace attnbench {

/// Paired log-ratios of baseline and alias, by cell id.
using AaLogs = std::map<std::string, std::vector<double>>;

/// What takes all cells of a run: the A/A checks, the verdicts of each family (device, element type, scope:
/// all kernels x N against the baseline), whether a cell's verdicts are withheld, and the best sets (one
/// family for the run). Throws std::logic_error naming cell and kernel where a verdict is not that of the
/// times in its row.
void judge(RunAnalysis& run, const AaLogs& aa_logs);

/// Whether the kernel takes part in best sets: it has a ratio, over all processes.
bool is_ranked(const KernelAnalysis& kernel);

}  // namespace attnbench
