#pragma once

#include <optional>
#include <span>

#include "stats/intervals.h"

namespace attnbench::stats {

/// The mean of independent values with what is known of its error.
struct SampleMean {
  double mean = 0;
  double variance = 0;  ///< of the mean: s^2 / n; infinite for a single value
  double df = 0;        ///< n - 1
};
/// Throws InputError for no values, or one that is not finite.
SampleMean sample_mean(std::span<const double> values);

/// An estimate whose error follows Student's t.
struct Estimate {
  double value = 0;
  double standard_error = 0;
  double df = 0;

  /// 95 %; unbounded where the standard error is infinite.
  Interval interval() const;
  /// (value - hypothesis) / standard_error; an infinity where the error is 0 and the two differ, else 0.
  double t(double hypothesis = 0) const;
  /// Of value = hypothesis against any difference; 1 where the standard error is infinite.
  double two_sided_p(double hypothesis = 0) const;
  /// Of value <= hypothesis against value > hypothesis; 1 where the standard error is infinite.
  double above_p(double hypothesis = 0) const;
  /// Of value >= hypothesis against value < hypothesis; 1 where the standard error is infinite.
  double below_p(double hypothesis = 0) const;
};

/// The mean itself.
Estimate estimate(const SampleMean& mean);

/// sum weights[i] means[i] of independent samples with unequal variances; degrees of freedom by Satterthwaite
/// (1946, "An Approximate Distribution of Estimates of Variance Components"). A sample with weight 0
/// takes no part. Throws InputError when the two differ in length.
Estimate contrast(std::span<const SampleMean> means, std::span<const double> weights);

/// mean(a) - mean(b) of two independent samples with unequal variances; its t(), df and two_sided_p() are
/// Welch's test (Welch 1947, "The Generalization of 'Student's' Problem when Several Different Population
/// Variances are Involved"). Values are process means, never calls. Two kernels measured in the same
/// processes are not independent: their common noise stays in the error, so that the test is conservative
/// under pairing and decides nothing. Logarithms of process values give the log of a ratio: of two stores
/// that were measured separately, or of two N. Fewer than two values in either: infinite standard error, p
/// = 1. Throws InputError for no values, or one that is not finite.
Estimate welch_difference(std::span<const double> a, std::span<const double> b);

}  // namespace attnbench::stats
