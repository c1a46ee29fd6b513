#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "analysis/analysis.h"
#include "report/text_width.h"

namespace attnbench {

/// What a run says, in words: at each N what to use in place of the baseline, how much faster that is, and
/// how our kernel stands against the best other library; the fastest of all functions at the largest N; how
/// sure that is. Ends with a line end; empty where nothing has a ratio.
std::string answer_lines(const RunAnalysis& run, std::size_t width = kTextWidth);

/// The same as a list in Markdown.
std::string answer_markdown(const RunAnalysis& run);

/// A line of the answer: level 0 names a group and its baseline, 1 tells of an N, 2 of another library there.
struct Statement {
  int level;
  std::string text;
};
std::vector<Statement> answer_statements(const RunAnalysis& run);

/// Cells with verdicts of all; then, indented, why the others have none, one a reason.
std::vector<std::string> how_sure(const RunAnalysis& run);

}  // namespace attnbench
