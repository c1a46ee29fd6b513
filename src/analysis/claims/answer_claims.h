#pragma once

#include <span>
#include <vector>

#include "analysis/analysis.h"
#include "analysis/claims/claim.h"
#include "analysis/claims/claim_answer.h"

namespace attnbench {

/// A claim in each group of cells of a run that it is about: the published setting first, then the others in
/// the run's order, each followed by its companion answer (Form::best) where the claim has one and the run
/// was measured. At least one answer: NOT TESTED where the run has no such cells.
///
/// Parts that are tested form one family: two-sided p values, Holm, at stats::kFamilyError. HOLDS if all that
/// count are resolved as published, REVERSED if one is resolved the opposite way, NOT TESTED if none could
/// be tested, else UNRESOLVED. A part whose cell has no verdicts (too noisy, too few processes) is
/// unresolved.
std::vector<ClaimAnswer> answer(const Claim& claim, const RunAnalysis& run);

/// Every claim in every run.
std::vector<ClaimResult> answer_claims(std::span<const Claim> claims, std::span<const RunAnalysis> runs);

}  // namespace attnbench
