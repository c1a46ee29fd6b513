#include "stats/variance_components.h"

#include <algorithm>
#include <cmath>

#include "stats/contrast.h"
#include "stats/intervals.h"

namespace attnbench::stats {

double VarianceComponents::intraclass_correlation() const {
  const double all = between + within;
  return all > 0 ? between / all : 0;
}

double VarianceComponents::design_effect() const { return 1 + (blocks - 1) * intraclass_correlation(); }

double VarianceComponents::cv_between() const { return std::sqrt(between) / mean; }

double VarianceComponents::cv_within() const { return std::sqrt(within) / mean; }

std::optional<VarianceComponents> variance_components(std::span<const std::vector<double>> processes) {
  std::vector<double> means;
  double total = 0;
  double squared_sizes = 0;
  double weighted_sum = 0;
  double squares_within = 0;
  for (const auto& values : processes) {
    const auto size = static_cast<double>(values.size());
    means.push_back(sample_mean(values).mean);
    total += size;
    squared_sizes += size * size;
    weighted_sum += size * means.back();
    for (const double value : values) squares_within += (value - means.back()) * (value - means.back());
  }
  const auto groups = static_cast<double>(processes.size());
  if (processes.size() < 2 || total <= groups) return std::nullopt;

  const double weighted_mean = weighted_sum / total;
  double squares_between = 0;
  for (std::size_t p = 0; p < processes.size(); ++p) {
    const double deviation = means[p] - weighted_mean;
    squares_between += static_cast<double>(processes[p].size()) * deviation * deviation;
  }
  VarianceComponents result;
  result.mean = mean(means);
  result.processes = processes.size();
  result.blocks = (total - squared_sizes / total) / (groups - 1);
  result.within = squares_within / (total - groups);
  result.between = std::max(0.0, (squares_between / (groups - 1) - result.within) / result.blocks);
  return result;
}

}  // namespace attnbench::stats
