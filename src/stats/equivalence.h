#pragma once

#include <cstddef>

#include "stats/contrast.h"

namespace attnbench::stats {

/// Ratios between 1 / kEquivalenceRatio and kEquivalenceRatio are equivalent: 2 % either way. Symmetric in
/// the logarithm, so that swapping kernel and baseline cannot change a verdict.
constexpr double kEquivalenceRatio = 1.02;
/// The same of fewer than kProcessesForNarrowMargin processes, where noise that the noise guard lets pass
/// puts 2 % out of reach: 5 %.
constexpr double kWideEquivalenceRatio = 1.05;
constexpr std::size_t kProcessesForNarrowMargin = 10;

/// The margin against which so many processes are tested. By their number alone, never by what they say.
constexpr double equivalence_margin(std::size_t processes) {
  return processes < kProcessesForNarrowMargin ? kWideEquivalenceRatio : kEquivalenceRatio;
}

/// p of the two one-sided tests that a log-ratio lies within +-log(margin_ratio): the larger of the two
/// (Schuirmann 1987, "A Comparison of the Two One-Sided Tests Procedure and the Power Approach for Assessing
/// the Equivalence of Average Bioavailability"). Below 5 %: equivalent. 1 where the error is unknown. Throws
/// InputError for a margin_ratio not above 1.
double equivalence_p(const Estimate& log_ratio, double margin_ratio = kEquivalenceRatio);

}  // namespace attnbench::stats
