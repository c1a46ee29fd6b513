#pragma once

#include <span>

#include "stats/intervals.h"

namespace attnbench::stats {

/// Coefficient of variation of a positive quantity with log-normal spread, from the logarithms of independent
/// values, one a process: sqrt(exp(s^2) - 1), exact 95 % interval from the chi-square distribution of the
/// variance of the logarithms (Koopmans, Owen and Rosenblatt 1964, "Confidence Intervals for the Coefficient
/// of Variation for the Normal and Log Normal Distributions"). The spread is tested, so normality of the
/// logarithms matters more here than for means. Fewer than two values: estimate NaN, bounds 0 and infinity.
/// Throws InputError for no values, or one that is not finite.
Interval cv_interval(std::span<const double> logs);

/// p of CV >= bound against CV < bound; small: below. 1 for fewer than two values. Throws InputError for a
/// bound that is not above 0, and as above.
double cv_below_p(std::span<const double> logs, double bound);
/// p of CV <= bound against CV > bound.
double cv_above_p(std::span<const double> logs, double bound);

}  // namespace attnbench::stats
