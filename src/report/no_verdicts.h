#pragma once

#include <span>
#include <string>
#include <vector>

#include "analysis/analysis.h"

namespace attnbench {

/// Of cells whose verdicts are withheld: "no verdicts at N = 128, 512: too noisy: ..", one a reason.
std::vector<std::string> no_verdicts(std::span<const CellAnalysis* const> cells);
/// Of all cells of a group.
std::vector<std::string> no_verdicts(const GroupAnalysis& group);

}  // namespace attnbench
