#pragma once

#include <cstddef>
#include <string>

#include "analysis/analysis.h"
#include "report/text_width.h"

namespace attnbench {

/// The table after a run, from stored data only: at most 120 characters wide, at most four N side by
/// side, ends with a line end. Says its baseline, its standing and what is invalid, unsupported or failed.
std::string run_table(const RunAnalysis& run, std::size_t width = kTextWidth);

/// What each column and mark of the table means, in plain words; for --help.
std::string table_legend();

/// The same values as one long table a block, for documents.
std::string markdown_table(const RunAnalysis& run);
/// The same for LaTeX, with booktabs' rules.
std::string latex_table(const RunAnalysis& run);

}  // namespace attnbench
