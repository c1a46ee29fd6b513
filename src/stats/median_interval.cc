#include "stats/median_interval.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "stats/checks.h"
#include "stats/constants.h"
#include "stats/quantiles.h"

namespace attnbench::stats {

MedianInterval median_interval(std::span<const double> values) {
  require_finite("value", values);
  const double centre = median(values);
  MedianInterval result{{centre, -kInfinity, kInfinity}, 0};

  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const std::size_t n = sorted.size();
  for (std::size_t k = 1; 2 * k <= n; ++k) {
    const double confidence = 1 - 2 * coin_cdf(static_cast<double>(k - 1), static_cast<double>(n));
    if (confidence < kConfidence) break;
    result = {{centre, sorted[k - 1], sorted[n - k]}, confidence};
  }
  return result;
}

double median_absolute_deviation(std::span<const double> values) {
  const double centre = median(values);
  std::vector<double> deviations;
  for (const double value : values) deviations.push_back(std::abs(value - centre));
  return median(deviations);
}

}  // namespace attnbench::stats
