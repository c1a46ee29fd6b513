#pragma once

#include <span>

#include "stats/contrast.h"
#include "stats/intervals.h"
#include "stats/size_series.h"

namespace attnbench::stats {

/// time = exp(log_scale) N^exponent, fitted.
struct PowerLaw {
  Interval exponent;
  double log_scale = 0;  ///< log seconds at N = 1
  /// Largest |log(time / fitted time)| over the lengths: how far from a power law the times are.
  double largest_residual = 0;

  /// Fitted time at a length, seconds.
  double seconds(double seqlen) const;
};

/// Least squares of log time on log N through the means of the lengths, equally weighted. The exponent is a
/// weighted sum of those independent means, and so is its error: Student's t with Satterthwaite's degrees of
/// freedom from the spread of processes (Miller 1986, "Beyond ANOVA", chapter 3, for contrasts with unequal
/// variances). The interval covers the exponent of the least-squares line through the true times, whether or
/// not they follow a power law; an interval from the residuals of the line would charge a bend to chance.
/// A length with a single process: unbounded. Throws InputError as check_series does.
PowerLaw fit_power_law(std::span<const SizePoint> log_seconds);

/// The exponent with its error, for tests: the slope of that line. Of log-ratios it says how a ratio grows
/// with N. Errors as above.
Estimate log_log_slope(std::span<const SizePoint> logs);

}  // namespace attnbench::stats
