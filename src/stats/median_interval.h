#pragma once

#include <span>

#include "stats/intervals.h"

namespace attnbench::stats {

/// A median and its distribution-free interval.
struct MedianInterval {
  Interval interval;
  /// Exact confidence of the interval, at least kConfidence; 0 where there is none.
  double confidence = 0;
};

/// The narrowest symmetric pair of order statistics x(k), x(n + 1 - k) that covers the population median with
/// at least 95 %, whatever the (continuous) distribution: 1 - 2 P(Binomial(n, 1/2) < k) (David and Nagaraja
/// 2003, "Order Statistics", section 7.1). Fewer than six values cannot reach 95 %: unbounded. For latencies
/// the values are process medians. Throws InputError for a value not finite.
MedianInterval median_interval(std::span<const double> values);

/// Median of |value - median|, in the unit of the values, without a factor for normality (Hampel 1974, "The
/// Influence Curve and Its Role in Robust Estimation"). NaN for no values.
double median_absolute_deviation(std::span<const double> values);

}  // namespace attnbench::stats
