#pragma once

#include <cstddef>
#include <string>

#include "analysis/analysis.h"
#include "report/text_width.h"

namespace attnbench {

/// Ours against other engines in at most six lines, an engine a line, for the end of a run; empty where no
/// kernel of another engine takes part.
std::string peers_lines(const RunAnalysis& run);

/// The same with a line for each cell, mechanism and kernel, and every reason.
std::string peers_table(const RunAnalysis& run, std::size_t width = kTextWidth);

/// What the columns and words mean.
std::string peers_legend();

}  // namespace attnbench
