#pragma once

#include <span>
#include <string>
#include <vector>

#include "analysis/analysis.h"

namespace attnbench {

/// Ids of the baselines of a run's cells, each once, in the order of its cells.
std::vector<std::string> baselines_of(const RunAnalysis& run);
/// "mha/unfused@cpu"; where the cells have several, each with its N: "mha/unfused@cuda at N = 1024, 2048;
/// mha/fused@cuda at N = 65536". Empty where none has one.
std::string baselines_text(std::span<const CellAnalysis* const> cells);
std::string baselines_text(const GroupAnalysis& group);

}  // namespace attnbench
