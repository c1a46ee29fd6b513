#pragma once

#include <cstddef>

#include "claims/claim_answer.h"
#include "claims/operands.h"

namespace attnbench {

/// What the data of one group say of one part, before parts are judged together.
struct Evidence {
  ClaimPart part;             ///< value, other, crossover, best; `reason` where there are no data
  double p_as_published = 1;  ///< one-sided: small where the data resolve it as published
  double p_opposite = 1;      ///< one-sided: small where they resolve the opposite
  std::string no_verdict;     ///< why its cells allow none: too noisy, too few processes; empty: they do
  /// Largest of several: why it cannot be shown to be below the bound, a cell being left out; empty: none is.
  std::string left_out;
  /// The wide interval of processes with modes shows neither side.
  bool held_by_modes() const;
  bool exact = false;  ///< follows from sizes: no test; p_as_published is 0 or 1, p_opposite the other
};

/// A part is tested on log-ratios of process times (ratio, range, equivalence, best_set), on contrasts of
/// independent lengths (ratio over several, trend, crossover, step, slope), or on the chi-square distribution
/// of a variance (cv_bound):
///
/// - ratio: log-ratio, or its mean over lengths = 0, either side.
/// - range: two one-sided tests within it; opposite: beyond it on either side.
/// - equivalence: of all pairs and lengths the largest p of two one-sided tests within the margin; opposite:
///   the smallest p of being beyond it, times their number.
/// - best_set with a kernel: it is faster than each other one (the largest p of these tests); opposite: one
///   of the others is faster than it (the smallest, times their number).
/// - best_set without: each kernel is beaten at some length; opposite: one beats all others at all lengths.
/// - trend: slope of the log-ratio on log N = 0.
/// - crossover: slower at the low end of the range and faster at its high end, both interpolated in log N;
///   opposite: already faster at the low end, or still slower at the high end.
/// - step, slope: difference of two contrasts = 0, or slope = bound.
/// - cv_bound: of all kernels and lengths the largest p of CV < bound; opposite: the smallest of CV > bound,
///   times their number.
/// - memory: no test.
/// - without a direction (PartSpec::has_direction): no test, p values of 1.
///
/// A cell without verdicts leaves a comparison without one. Of the largest of several (equivalence, cv_bound)
/// only that length is left out: what the others show to be above the bound is so, but nothing is below it.
///
/// Where the processes of a ratio have modes its tests are stats::GuardedEstimate's: a side is shown only if
/// the whole wide interval lies on it.
///
/// p values hold for the kernels chosen: where one was chosen among several by its times, they are multiplied
/// by the number of choices (Bonferroni).
Evidence weigh(const PartSpec& spec, const Operands& operands);

}  // namespace attnbench
