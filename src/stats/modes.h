#pragma once

#include <cstddef>
#include <span>

#include "stats/intervals.h"

namespace attnbench::stats {

/// The largest gap between neighbours of the sorted values, over the standard deviation within the two sides
/// that it separates: gap / sqrt(sum of squares about each side's mean / (n - 2)). Large for an outlier as
/// well as for two groups. The values are logarithms: 0 where no gap is wider than 0.5 %, and for fewer than
/// three values; infinite where nothing varies within the sides. Throws InputError for a value not finite.
double gap_statistic(std::span<const double> values);

/// What gap_statistic exceeds in 3 % of normal samples of this size (simulated, 2.5 million samples a size;
/// above 100 values that of 100, which is more): under measured noise, whose tails are longer, in less than
/// 5 %. Infinite for fewer than five values: those show nothing.
double critical_gap(std::size_t values);

/// Whether one value for each process shows modes: a gap wider than critical_gap. False alarms under noise
/// with one mode, and power, are in tests/simulation/modes_test.cc.
bool has_modes(std::span<const double> process_values);

/// The interval of a mean of values with modes, where mean and median are two answers: wide enough for both,
/// from the lower of the bounds of mean_interval and median_interval (for fewer than six, the smallest value)
/// to the higher of the upper ones. Throws InputError for a value not finite.
Interval interval_with_modes(std::span<const double> values);

/// What is shown of the mean of process values: interval_with_modes where they have modes, else
/// mean_interval.
Interval process_interval(std::span<const double> process_values);

/// Of a kind of process of which `processes` hold none, the share that this does not exclude at 95 %:
/// 1 - 0.05^(1 / n), 26 % for ten (Hanley and Lippman-Hand 1983, "If Nothing Goes Wrong, Is Everything All
/// Right?"). 1 for none.
double share_not_excluded(std::size_t processes);

}  // namespace attnbench::stats
