#pragma once

#include <cstddef>
#include <string>

#include "analysis/analysis.h"
#include "report/text_width.h"

namespace attnbench {

/// Verdicts, what to use at each N, growth with N and what a whole layer gains, as text under the table of a
/// run; ends with a line end.
std::string verdict_table(const RunAnalysis& run, std::size_t width = kTextWidth);

/// What it says, in plain words; for --help.
std::string verdict_legend();

}  // namespace attnbench
