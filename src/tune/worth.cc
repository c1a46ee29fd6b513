#include "tune/worth.h"

#include <algorithm>
#include <cmath>
#include <numbers>

namespace attnbench {

double mean_excess(double mean, double deviation) {
  if (!(deviation > 0)) return std::max(mean, 0.0);
  const double z = mean / deviation;
  const double density = std::exp(-z * z / 2) / std::sqrt(2 * std::numbers::pi);
  return deviation * density + mean * std::erfc(-z / std::numbers::sqrt2) / 2;
}

double expected_loss(std::span<const Contender> contenders, std::size_t chosen) {
  double greatest = 0;
  const auto& own = contenders[chosen].time;
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    if (i == chosen) continue;
    const auto& other = contenders[i].time;
    greatest = std::max(greatest, mean_excess(own.log_seconds - other.log_seconds,
                                              std::hypot(own.log_error, other.log_error)));
  }
  return greatest;
}

std::optional<std::size_t> most_worthwhile(std::span<const TuneOption> options, double seconds_left,
                                           double least_loss) {
  std::optional<std::size_t> best;
  const auto rate = [&](std::size_t i) { return options[i].loss / options[i].seconds; };
  for (std::size_t i = 0; i < options.size(); ++i) {
    if (options[i].seconds > seconds_left || options[i].loss <= least_loss) continue;
    if (!best || rate(i) > rate(*best)) best = i;
  }
  return best;
}

}  // namespace attnbench
