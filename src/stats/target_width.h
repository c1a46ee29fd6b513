#pragma once

#include "stats/intervals.h"

namespace attnbench::stats {

/// Half-widths of 95 % intervals, as a share of the ratio, for which the publish profile measures.
constexpr double kAaHalfWidth = 0.01;     ///< of the baseline against itself
constexpr double kRatioHalfWidth = 0.02;  ///< of a kernel against the baseline

/// Half the interval's width over its estimate; infinite where it is unbounded.
double relative_half_width(const Interval& ratio);

}  // namespace attnbench::stats
