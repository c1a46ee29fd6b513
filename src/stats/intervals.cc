#include "stats/intervals.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "stats/checks.h"
#include "stats/constants.h"
#include "stats/quantiles.h"

namespace attnbench::stats {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

}  // namespace

bool Interval::is_bounded() const { return std::isfinite(low) && std::isfinite(high); }

Interval exponential(const Interval& logs) {
  return {std::exp(logs.estimate), std::exp(logs.low), std::exp(logs.high)};
}

double mean(std::span<const double> values) {
  if (values.empty()) return kNaN;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double standard_deviation(std::span<const double> values) {
  if (values.size() < 2) return kNaN;
  const double centre = mean(values);
  double squares = 0;
  for (const double value : values) squares += (value - centre) * (value - centre);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

double median(std::span<const double> values) {
  if (values.empty()) return kNaN;
  std::vector<double> sample(values.begin(), values.end());
  const auto middle = sample.begin() + static_cast<std::ptrdiff_t>(sample.size() / 2);
  std::nth_element(sample.begin(), middle, sample.end());
  return sample.size() % 2 == 1 ? *middle : std::midpoint(*std::max_element(sample.begin(), middle), *middle);
}

double coefficient_of_variation(std::span<const double> values) {
  return standard_deviation(values) / mean(values);
}

Interval mean_interval(std::span<const double> values) {
  require_finite("value", values);
  const double centre = mean(values);
  if (values.size() < 2) return {centre, -kInfinity, kInfinity};
  const auto n = static_cast<double>(values.size());
  const double half_width =
      t_quantile((1 + kConfidence) / 2, n - 1) * standard_deviation(values) / std::sqrt(n);
  return {centre, centre - half_width, centre + half_width};
}

double relative_half_width(const Interval& ratio) {
  return ratio.is_bounded() ? (ratio.high - ratio.low) / 2 / ratio.estimate : kInfinity;
}

}  // namespace attnbench::stats
