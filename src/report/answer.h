#pragma once

#include <cstddef>
#include <string>

#include "analysis/analysis.h"
#include "report/text_width.h"

namespace attnbench {

/// What a run says, in words: at each N what to use in place of the baseline, how much faster that is, and
/// how our kernel stands against the best other library; the fastest of all functions at the largest N; how
/// sure that is. Ends with a line end; empty where nothing has a ratio.
std::string answer_lines(const RunAnalysis& run, std::size_t width = kTextWidth);

/// The same as a list in Markdown.
std::string answer_markdown(const RunAnalysis& run);

}  // namespace attnbench
