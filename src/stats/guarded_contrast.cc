#include "stats/guarded_contrast.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "stats/modes.h"

namespace attnbench::stats {
namespace {

Interval combined_interval(std::span<const std::vector<double>> samples, std::span<const double> weights,
                           const Interval& unguarded) {
  double below = 0;
  double above = 0;
  for (std::size_t i = 0; i < samples.size(); ++i) {
    if (weights[i] == 0) continue;
    const auto one = process_interval(samples[i]);
    double down = one.estimate - one.low;
    double up = one.high - one.estimate;
    if (weights[i] < 0) std::swap(down, up);
    below += std::pow(weights[i] * down, 2);
    above += std::pow(weights[i] * up, 2);
  }
  const double value = unguarded.estimate;
  return {value, std::min(unguarded.low, value - std::sqrt(below)),
          std::max(unguarded.high, value + std::sqrt(above))};
}

}  // namespace

Interval GuardedEstimate::interval() const { return with_modes.value_or(estimate.interval()); }

double GuardedEstimate::above_p(double hypothesis) const {
  return with_modes && with_modes->low <= hypothesis ? 1 : estimate.above_p(hypothesis);
}

double GuardedEstimate::below_p(double hypothesis) const {
  return with_modes && with_modes->high >= hypothesis ? 1 : estimate.below_p(hypothesis);
}

GuardedEstimate GuardedEstimate::negated() const {
  auto result = *this;
  result.estimate.value = -estimate.value;
  if (with_modes) result.with_modes = Interval{-with_modes->estimate, -with_modes->high, -with_modes->low};
  return result;
}

GuardedEstimate guarded_contrast(std::span<const std::vector<double>> samples,
                                 std::span<const double> weights) {
  std::vector<SampleMean> means;
  for (const auto& sample : samples) means.push_back(sample_mean(sample));
  GuardedEstimate result{contrast(means, weights), std::nullopt};
  bool modes = false;
  for (std::size_t i = 0; i < samples.size(); ++i)
    modes = modes || (weights[i] != 0 && has_modes(samples[i]));
  if (modes) result.with_modes = combined_interval(samples, weights, result.estimate.interval());
  return result;
}

GuardedEstimate guarded_mean(const std::vector<double>& sample) {
  return guarded_contrast(std::span(&sample, 1), std::array{1.0});
}

}  // namespace attnbench::stats
