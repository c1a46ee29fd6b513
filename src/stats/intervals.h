#pragma once

#include <span>

namespace attnbench::stats {

/// Of every interval here.
constexpr double kConfidence = 0.95;

/// An estimate and its 95 % confidence interval. From fewer than two values nothing is known about the
/// spread: the bounds are then infinite (0 and infinity for a ratio).
struct Interval {
  double estimate = 0;
  double low = 0;
  double high = 0;

  bool is_bounded() const;
};

/// Of an interval of logarithms, that of the ratio: exp of estimate and bounds (-infinity becomes 0).
Interval exponential(const Interval& logs);

/// Arithmetic mean; NaN for no values.
double mean(std::span<const double> values);
/// Sample standard deviation (divisor n - 1); NaN for fewer than two values.
double standard_deviation(std::span<const double> values);
/// The middle value, or the mean of the two middle ones; NaN for no values.
double median(std::span<const double> values);
/// standard_deviation / mean.
double coefficient_of_variation(std::span<const double> values);

/// Mean of independent values with Student's t interval, df = n - 1 (Student 1908, "The Probable Error of a
/// Mean"). The values are one a process: calls within a process are not independent (Kalibera and Jones 2013,
/// "Rigorous Benchmarking in Reasonable Time"). Throws InputError for a value not finite.
Interval mean_interval(std::span<const double> values);

/// Half the interval's width over its estimate; infinite where it is unbounded.
double relative_half_width(const Interval& ratio);

}  // namespace attnbench::stats
