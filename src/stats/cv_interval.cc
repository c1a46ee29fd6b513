#include "stats/cv_interval.h"

#include <array>
#include <cmath>
#include <limits>

#include "stats/checks.h"
#include "stats/contrast.h"
#include "stats/quantiles.h"

namespace attnbench::stats {
namespace {

double cv_of_variance(double variance) { return std::sqrt(std::expm1(variance)); }
double variance_of_cv(double cv) { return std::log1p(cv * cv); }

/// Sum of squared deviations over the variance that the bound stands for: chi-square with df = n - 1 there.
double scaled_squares(std::span<const double> logs, double bound) {
  require_positive("bound", std::array{bound});
  const auto mean = sample_mean(logs);
  const auto n = static_cast<double>(logs.size());
  return mean.variance * n * mean.df / variance_of_cv(bound);
}

}  // namespace

Interval cv_interval(std::span<const double> logs) {
  const auto mean = sample_mean(logs);
  if (logs.size() < 2)
    return {std::numeric_limits<double>::quiet_NaN(), 0, std::numeric_limits<double>::infinity()};
  const double variance = mean.variance * static_cast<double>(logs.size());
  constexpr double kTail = (1 - kConfidence) / 2;
  return {cv_of_variance(variance),
          cv_of_variance(variance * mean.df / chi_squared_quantile(1 - kTail, mean.df)),
          cv_of_variance(variance * mean.df / chi_squared_quantile(kTail, mean.df))};
}

double cv_below_p(std::span<const double> logs, double bound) {
  const double squares = scaled_squares(logs, bound);
  if (logs.size() < 2) return 1;
  return chi_squared_cdf(squares, static_cast<double>(logs.size() - 1));
}

double cv_above_p(std::span<const double> logs, double bound) {
  const double squares = scaled_squares(logs, bound);
  if (logs.size() < 2) return 1;
  return chi_squared_upper_tail(squares, static_cast<double>(logs.size() - 1));
}

}  // namespace attnbench::stats
