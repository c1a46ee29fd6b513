#pragma once

#include <span>
#include <vector>

#include "stats/size_series.h"

namespace attnbench::stats {

/// Sequence lengths from low to high at which neither kernel is shown to be faster.
struct CrossoverRange {
  double low = 0;
  double high = 0;
  bool open_low = false;   ///< begins at the shortest length measured: may go on below
  bool open_high = false;  ///< ends at the longest length measured: may go on above
};

struct Crossover {
  std::vector<double> estimates;  ///< where the interpolated mean is 0, rising
  std::vector<CrossoverRange>
      ranges;  ///< rising and disjoint; empty: no crossover within the lengths measured
};

/// Where a kernel and the baseline are equally fast, from paired log-ratios (SizePoint::process_logs) at
/// rising lengths. The mean log-ratio is interpolated linearly in log N; the set holds all N at which its 95
/// % t interval contains 0, the test of "log-ratio = 0 at N" inverted (Casella and Berger 2002, "Statistical
/// Inference", section 9.2.1). Between two lengths the error is that of the interpolated mean, with
/// Satterthwaite's degrees of freedom. The true crossover of the interpolated curve, where there is one, is
/// in the set with 95 %; that the curve is linear between measured lengths is assumed, not shown. Around a
/// length with a single process everything is in the set. Throws InputError as check_series does.
Crossover find_crossover(std::span<const SizePoint> log_ratios);

}  // namespace attnbench::stats
