#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "analysis/analysis.h"

namespace attnbench {

/// Whether this repository's own code computes there; all other engines are peers.
bool is_own(const KernelRecord& kernel);

/// Sets RunAnalysis::peers: in each cell and mechanism every kernel of another engine against our fused
/// kernel there, on its default path. Ratios are over the processes that have both (process_log_ratios);
/// their verdicts are families of their own, of one device, element type and scope each, by the rules of
/// judge(): withheld cells and kernels that are not ranked stay in their family and get no verdict. After
/// judge(). A run in which no fused kernel of ours takes part compares nothing.
void compare_peers(RunAnalysis& run);

}  // namespace attnbench
