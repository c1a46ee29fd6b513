#include "stats/contrast.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "attnbench/error.h"
#include "stats/checks.h"
#include "stats/constants.h"
#include "stats/quantiles.h"

namespace attnbench::stats {
namespace {

/// P(T > t).
double upper_tail(double t, double df) {
  if (std::isinf(t)) return t > 0 ? 0 : 1;
  return t_upper_tail(t, df);
}

}  // namespace

SampleMean sample_mean(std::span<const double> values) {
  require_finite("value", values);
  if (values.empty()) throw InputError("sample", "", "has no values");
  const auto n = static_cast<double>(values.size());
  if (values.size() == 1) return {values[0], kInfinity, 0};
  const double s = standard_deviation(values);
  return {mean(values), s * s / n, n - 1};
}

Interval Estimate::interval() const {
  if (std::isinf(standard_error)) return {value, -kInfinity, kInfinity};
  const double half_width = t_quantile((1 + kConfidence) / 2, df) * standard_error;
  return {value, value - half_width, value + half_width};
}

double Estimate::t(double hypothesis) const {
  const double difference = value - hypothesis;
  if (difference == 0) return 0;
  return difference / standard_error;
}

double Estimate::two_sided_p(double hypothesis) const {
  if (std::isinf(standard_error)) return 1;
  return 2 * upper_tail(std::abs(t(hypothesis)), df);
}

double Estimate::above_p(double hypothesis) const {
  if (std::isinf(standard_error)) return 1;
  return upper_tail(t(hypothesis), df);
}

double Estimate::below_p(double hypothesis) const {
  if (std::isinf(standard_error)) return 1;
  return upper_tail(-t(hypothesis), df);
}

Estimate estimate(const SampleMean& mean) { return {mean.mean, std::sqrt(mean.variance), mean.df}; }

Estimate contrast(std::span<const SampleMean> means, std::span<const double> weights) {
  if (means.size() != weights.size()) {
    throw InputError("weights", fmt::format("{}", weights.size()), fmt::format("for {} means", means.size()));
  }
  double value = 0;
  double variance = 0;
  double variance_of_variance = 0;  // half of it
  double all_df = 0;
  for (std::size_t i = 0; i < means.size(); ++i) {
    if (weights[i] == 0) continue;
    value += weights[i] * means[i].mean;
    const double part = weights[i] * weights[i] * means[i].variance;
    variance += part;
    if (part > 0) variance_of_variance += part * part / means[i].df;
    all_df += means[i].df;
  }
  if (std::isinf(variance)) return {value, kInfinity, 0};
  const double df = variance > 0 ? variance * variance / variance_of_variance : all_df;
  return {value, std::sqrt(variance), df};
}

Estimate welch_difference(std::span<const double> a, std::span<const double> b) {
  return contrast(std::array{sample_mean(a), sample_mean(b)}, std::array{1.0, -1.0});
}

}  // namespace attnbench::stats
