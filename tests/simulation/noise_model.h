#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "plan/random.h"

namespace attnbench::simulation {

/// A distribution with mean 0 and standard deviation 1.
class Shape {
 public:
  static Shape normal();
  /// exp of a normal value with standard deviation `sigma`, standardised: skewed to the right.
  static Shape lognormal(double sigma);
  /// Given by quantiles at the middles of equal shares; linear between them.
  static Shape empirical(std::vector<double> quantiles);

  double draw(SplitMix64& random) const;

 private:
  explicit Shape(std::vector<double> quantiles) : quantiles_(std::move(quantiles)) {}

  std::vector<double> quantiles_;  ///< at 0, 1/(n-1), ..., 1
};

/// Noise of the logarithm of a time: process + kernel in process + block + residual. The first two are drawn
/// once a process; those of process and block are common to all kernels, and cancel in a paired ratio.
struct NoiseModel {
  std::string name;
  double process_sd = 0;
  double kernel_process_sd = 0;
  double block_sd = 0;
  double block_autocorrelation = 0;  ///< of neighbouring blocks: drift within a process
  double residual_sd = 0;
  Shape process_shape = Shape::normal();
  Shape kernel_process_shape = Shape::normal();
  Shape residual_shape = Shape::normal();

  /// All standard deviations times a factor.
  NoiseModel scaled(double factor) const;
};

/// tests/simulation/noise.json: scales and shapes of a real store, the publishable run
/// data/paper-core-f32-zen3:
///   estimate_noise STORE.db > tests/simulation/noise.json
NoiseModel measured_noise();
/// The same scales, all shapes normal.
NoiseModel normal_noise();
/// The same scales, all shapes skewed to the right (a lognormal with sigma 0.5: skewness 1.75).
NoiseModel skewed_noise();

/// Times in seconds of one process: [kernel][block], for kernels with these geometric centres.
using ProcessTimes = std::vector<std::vector<double>>;
ProcessTimes simulate_process(const NoiseModel& noise, std::span<const double> centre_seconds, int blocks,
                              SplitMix64& random);

/// stats::process_log_ratio of kernel `k` against kernel 0 in a process.
double log_ratio(const ProcessTimes& process, std::size_t k);

/// Paired log-ratios against kernel 0 of all other kernels: [kernel - 1][process].
std::vector<std::vector<double>> simulate_cell(const NoiseModel& noise,
                                               std::span<const double> centre_seconds, int processes,
                                               int blocks, SplitMix64& random);

}  // namespace attnbench::simulation
