#pragma once

#include <span>
#include <vector>

#include "stats/intervals.h"
#include "stats/size_series.h"

namespace attnbench::stats {

/// How much longer a call takes at one length than at the one before.
struct StepRatio {
  double from_seqlen = 0;
  double to_seqlen = 0;
  Interval ratio;         ///< time at `to` / time at `from`
  Interval per_doubling;  ///< ratio ^ (1 / log2(to / from)): the same where N doubles
};

/// A step for each pair of neighbouring lengths: ratio of geometric centres with Welch's interval on
/// logarithms (contrast.h), as the lengths are measured by different processes. Steps that share a length are
/// correlated. A length with a single process: unbounded. Throws InputError as check_series does.
std::vector<StepRatio> step_ratios(std::span<const SizePoint> log_seconds);

}  // namespace attnbench::stats
