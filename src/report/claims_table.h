#pragma once

#include <span>
#include <string>

#include "analysis/analysis.h"

namespace attnbench {

/// One line a claim: direction and magnitude in the published setting, direction with the fastest kernels of
/// the mechanisms there, and directions in the run's other settings; ends with a line end.
std::string claims_table(std::span<const ClaimResult> claims, const RunAnalysis& run);

/// The sentences of the published setting, a paragraph an answer; of other settings where it was not
/// measured.
std::string claims_explained(std::span<const ClaimResult> claims, const RunAnalysis& run);

/// What columns and words mean, in plain words; for --help.
std::string claims_legend();

}  // namespace attnbench
