#pragma once

#include <span>

#include "stats/intervals.h"

namespace attnbench::stats {

/// The ratios that two samples do not contradict. Where the denominator may be 0 that is no interval.
struct FiellerSet {
  enum class Kind {
    kInterval,    ///< low <= ratio <= high
    kComplement,  ///< ratio <= low or ratio >= high: the ratio of the means lies outside (low, high)
    kEverything,  ///< any ratio
  };
  Kind kind = Kind::kEverything;
  double estimate = 0;  ///< mean of the numerators / mean of the denominators
  double low = 0;       ///< bounds; not set for kEverything
  double high = 0;

  /// For tables: unbounded on both sides unless the set is an interval.
  Interval interval() const;
};

/// 95 % set for mean(numerators) / mean(denominators) of two independent samples, as process means of the
/// same kernel in two stores: all ratios r for which mean(numerators) - r mean(denominators) does not differ
/// from 0 (Fieller 1954, "Some Problems in Interval Estimation"). Variances may differ; degrees of freedom by
/// Satterthwaite at the estimated ratio (Hasler, Vonk and Hothorn 2008, "Assessing Non-Inferiority of a New
/// Treatment in a Three-Arm Trial in the Presence of Heteroscedasticity"). Fewer than two values in
/// either: everything. Throws InputError for no values, or one that is not above 0.
FiellerSet fieller(std::span<const double> numerators, std::span<const double> denominators);

}  // namespace attnbench::stats
