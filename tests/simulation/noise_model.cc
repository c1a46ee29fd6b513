#include "simulation/noise_model.h"

#include <boost/math/distributions/normal.hpp>
#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "stats/process_value.h"

namespace attnbench::simulation {
namespace {

/// In (0, 1), 53 bits.
double uniform(SplitMix64& random) { return (static_cast<double>(random.next() >> 11) + 0.5) * 0x1.0p-53; }

/// Standard normal quantiles at the middles of equal shares.
std::vector<double> normal_quantiles() {
  const boost::math::normal normal;
  std::vector<double> quantiles(4096);
  for (std::size_t i = 0; i < quantiles.size(); ++i) {
    quantiles[i] = quantile(normal, (static_cast<double>(i) + 0.5) / static_cast<double>(quantiles.size()));
  }
  return quantiles;
}

/// Mean and variance of a distribution with these quantiles, uniform between each two.
std::vector<double> standardised(std::vector<double> quantiles) {
  const auto pieces = static_cast<double>(quantiles.size() - 1);
  double mean = 0;
  double square = 0;
  for (std::size_t i = 0; i + 1 < quantiles.size(); ++i) {
    const double a = quantiles[i];
    const double b = quantiles[i + 1];
    mean += (a + b) / 2 / pieces;
    square += (a * a + a * b + b * b) / 3 / pieces;
  }
  for (double& quantile : quantiles) quantile = (quantile - mean) / std::sqrt(square - mean * mean);
  return quantiles;
}

NoiseModel with_scales() {
  std::ifstream file(std::string(ATTNBENCH_SOURCE_DIR) + "/tests/simulation/noise.json");
  if (!file) throw std::runtime_error("tests/simulation/noise.json cannot be read");
  const auto json = nlohmann::json::parse(file);
  NoiseModel noise;
  noise.process_sd = json.at("process_sd");
  noise.kernel_process_sd = json.at("kernel_process_sd");
  noise.block_sd = json.at("block_sd");
  noise.block_autocorrelation = json.at("block_autocorrelation");
  noise.residual_sd = json.at("residual_sd");
  noise.process_shape = Shape::empirical(json.at("kernel_process_shape"));
  noise.kernel_process_shape = Shape::empirical(json.at("kernel_process_shape"));
  noise.residual_shape = Shape::empirical(json.at("residual_shape"));
  noise.name = "measured";
  return noise;
}

}  // namespace

Shape Shape::normal() {
  static const Shape shape(standardised(normal_quantiles()));
  return shape;
}

Shape Shape::lognormal(double sigma) {
  auto quantiles = normal_quantiles();
  for (double& value : quantiles) value = std::exp(sigma * value);
  return Shape(standardised(std::move(quantiles)));
}

Shape Shape::empirical(std::vector<double> quantiles) { return Shape(standardised(std::move(quantiles))); }

double Shape::draw(SplitMix64& random) const {
  const double place = uniform(random) * static_cast<double>(quantiles_.size() - 1);
  const auto below = static_cast<std::size_t>(place);
  const double share = place - static_cast<double>(below);
  return quantiles_[below] + share * (quantiles_[below + 1] - quantiles_[below]);
}

NoiseModel NoiseModel::scaled(double factor) const {
  auto noise = *this;
  noise.process_sd *= factor;
  noise.kernel_process_sd *= factor;
  noise.block_sd *= factor;
  noise.residual_sd *= factor;
  return noise;
}

NoiseModel measured_noise() {
  static const auto noise = with_scales();
  return noise;
}

NoiseModel normal_noise() {
  auto noise = measured_noise();
  noise.name = "normal";
  noise.process_shape = noise.kernel_process_shape = noise.residual_shape = Shape::normal();
  return noise;
}

NoiseModel skewed_noise() {
  static const auto shape = Shape::lognormal(0.5);
  auto noise = measured_noise();
  noise.name = "skewed";
  noise.process_shape = noise.kernel_process_shape = noise.residual_shape = shape;
  return noise;
}

ProcessTimes simulate_process(const NoiseModel& noise, std::span<const double> centre_seconds, int blocks,
                              SplitMix64& random) {
  std::vector<double> common(static_cast<std::size_t>(blocks));
  const double process = noise.process_sd * noise.process_shape.draw(random);
  const double carried = noise.block_autocorrelation;
  const double fresh = std::sqrt(1 - carried * carried);
  static const auto normal = Shape::normal();
  double drift = normal.draw(random);
  for (double& block : common) {
    block = process + noise.block_sd * drift;
    drift = carried * drift + fresh * normal.draw(random);
  }
  ProcessTimes times;
  for (const double centre : centre_seconds) {
    const double kernel =
        std::log(centre) + noise.kernel_process_sd * noise.kernel_process_shape.draw(random);
    std::vector<double> series;
    series.reserve(common.size());
    for (const double block : common) {
      series.push_back(std::exp(kernel + block + noise.residual_sd * noise.residual_shape.draw(random)));
    }
    times.push_back(std::move(series));
  }
  return times;
}

double log_ratio(const ProcessTimes& process, std::size_t k) {
  return stats::process_log_ratio(process[0], process[k]);
}

std::vector<std::vector<double>> simulate_cell(const NoiseModel& noise,
                                               std::span<const double> centre_seconds, int processes,
                                               int blocks, SplitMix64& random) {
  std::vector<std::vector<double>> logs(centre_seconds.size() - 1);
  for (int p = 0; p < processes; ++p) {
    const auto times = simulate_process(noise, centre_seconds, blocks, random);
    for (std::size_t k = 1; k < centre_seconds.size(); ++k) logs[k - 1].push_back(log_ratio(times, k));
  }
  return logs;
}

}  // namespace attnbench::simulation
