#pragma once

#include <span>
#include <string_view>
#include <vector>

#include "analysis/analysis.h"
#include "claims/claim.h"
#include "claims/claim_answer.h"

namespace attnbench {

/// Every claim in every run: in each group of cells of the run that it is about, the published setting first,
/// then the others in the run's order, each followed by its companion answer (Form::best) where the claim has
/// one and the run was measured. At least one answer a run: NOT TESTED where it has no such cells.
///
/// The comparisons of all headlines in one run, of every claim, setting and form, are one family: two-sided p
/// values, Holm, at stats::kFamilyError. A headline HOLDS, or is REVERSED or OUTSIDE, if all its comparisons
/// are; it holds IN PART if some do and others are resolved against it; it is NOT TESTED if one of them is
/// not; else UNRESOLVED. A comparison whose cell has no verdicts (too noisy, too few processes) is
/// unresolved. Details are exploratory: each is tested by itself at the same level and has no say in the
/// answer.
///
/// Where an engine is named its kernels alone stand for the claims' names (Operands).
std::vector<ClaimResult> answer_claims(std::span<const Claim> claims, std::span<const RunAnalysis> runs,
                                       std::string_view engine = {});

}  // namespace attnbench
