#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "analysis/analysis.h"
#include "claims/claim_answer.h"
#include "report/text_width.h"

namespace attnbench {

/// A claim a row of several lines: headline and published value; then in the published setting, with the
/// fastest kernels of the mechanisms there, and in the run's other settings direction, measured value and
/// size, and how many details are as published. Ends with a line end. No line is longer than `width`
/// characters where one column fits.
std::string claims_table(std::span<const ClaimResult> claims, const RunAnalysis& run,
                         std::size_t width = kTextWidth);

/// Of each claim the quoted finding, and for the published setting (for the others where it was not measured)
/// the sentence of each answer with its details, one a line, published and measured value side by side.
std::string claims_explained(std::span<const ClaimResult> claims, const RunAnalysis& run,
                             std::size_t width = kTextWidth);

/// What columns and words mean, in plain words; for --help.
std::string claims_legend();

}  // namespace attnbench
