#include "stats/power_law.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "stats/contrast.h"

namespace attnbench::stats {

double PowerLaw::seconds(double seqlen) const {
  return std::exp(log_scale + exponent.estimate * std::log(seqlen));
}

PowerLaw fit_power_law(std::span<const SizePoint> log_seconds) {
  check_series(log_seconds);
  std::vector<double> x;
  std::vector<double> y;
  std::vector<SampleMean> means;
  for (const auto& point : log_seconds) {
    x.push_back(std::log(point.seqlen));
    means.push_back(sample_mean(point.process_logs));
    y.push_back(means.back().mean);
  }
  const double centre = mean(x);
  double squares = 0;
  for (const double value : x) squares += (value - centre) * (value - centre);
  std::vector<double> weights;
  for (const double value : x) weights.push_back((value - centre) / squares);

  PowerLaw fit;
  fit.exponent = contrast(means, weights).interval();
  fit.log_scale = mean(y) - fit.exponent.estimate * centre;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double residual = y[i] - fit.log_scale - fit.exponent.estimate * x[i];
    fit.largest_residual = std::max(fit.largest_residual, std::abs(residual));
  }
  return fit;
}

}  // namespace attnbench::stats
