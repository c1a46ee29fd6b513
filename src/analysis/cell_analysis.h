#pragma once

#include "analysis/analysis.h"

namespace attnbench {

/// A run's records sorted by cell.
struct CellInput {
  const RunRecord& run;
  const CellRecord& cell;
  std::vector<const ProcessRecord*> processes;
  std::vector<const VerificationRecord*> verifications;
  std::vector<const FailureRecord*> failures;
  bool with_rejected = false;  ///< judge the complete ones among the rejected processes as well
};

/// All that one cell says by itself: times, ratios, work. What takes other cells to know (labels, adjusted p
/// values, verdicts, best sets) is left out. `aa_logs` receives the paired log-ratio of baseline and alias in
/// each judged process.
CellAnalysis analyze_cell(const CellInput& input, std::vector<double>& aa_logs);

}  // namespace attnbench
