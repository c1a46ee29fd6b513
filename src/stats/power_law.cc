#include "stats/power_law.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "stats/contrast.h"

namespace attnbench::stats {

double PowerLaw::seconds(double seqlen) const {
  return std::exp(log_scale + exponent.estimate * std::log(seqlen));
}

namespace {

/// log N of each length, and the mean logarithm there.
struct Line {
  std::vector<double> x;
  std::vector<SampleMean> means;
};

Line line_through(std::span<const SizePoint> logs) {
  check_series(logs);
  Line line;
  for (const auto& point : logs) {
    line.x.push_back(std::log(point.seqlen));
    line.means.push_back(sample_mean(point.process_logs));
  }
  return line;
}

Estimate slope_of(const Line& line) {
  const double centre = mean(line.x);
  double squares = 0;
  for (const double value : line.x) squares += (value - centre) * (value - centre);
  std::vector<double> weights;
  for (const double value : line.x) weights.push_back((value - centre) / squares);
  return contrast(line.means, weights);
}

}  // namespace

Estimate log_log_slope(std::span<const SizePoint> logs) { return slope_of(line_through(logs)); }

PowerLaw fit_power_law(std::span<const SizePoint> log_seconds) {
  const auto line = line_through(log_seconds);
  std::vector<double> y;
  for (const auto& value : line.means) y.push_back(value.mean);
  PowerLaw fit;
  fit.exponent = slope_of(line).interval();
  fit.log_scale = mean(y) - fit.exponent.estimate * mean(line.x);
  for (std::size_t i = 0; i < y.size(); ++i) {
    const double residual = y[i] - fit.log_scale - fit.exponent.estimate * line.x[i];
    fit.largest_residual = std::max(fit.largest_residual, std::abs(residual));
  }
  return fit;
}

}  // namespace attnbench::stats
