// What the design is for: two identical kernels, measured as the published study did and as this one does.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <vector>

#include "simulation/noise_model.h"
#include "simulation/rate.h"
#include "stats/contrast.h"
#include "stats/intervals.h"
#include "stats/variance_components.h"

namespace attnbench::simulation {
namespace {

constexpr int kRuns = 5;
constexpr int kIterations = 20;
constexpr int kTrials = 10'000;

/// The published design: in each run first 20 iterations of one kernel, then 20 of the other; Welch's test on
/// the 100 iterations of each, as if they were independent.
double pooled_p(const NoiseModel& noise, SplitMix64& random) {
  std::vector<double> first, second;
  for (int run = 0; run < kRuns; ++run) {
    const auto times = simulate_process(noise, std::vector{1e-3, 1e-3}, 2 * kIterations, random);
    first.insert(first.end(), times[0].begin(), times[0].begin() + kIterations);
    second.insert(second.end(), times[1].begin() + kIterations, times[1].end());
  }
  return stats::welch_difference(first, second).two_sided_p();
}

/// The same number of calls, interleaved, one log-ratio a process.
double paired_p(const NoiseModel& noise, SplitMix64& random) {
  const auto logs = simulate_cell(noise, std::vector{1e-3, 1e-3}, kRuns, kIterations, random)[0];
  return stats::estimate(stats::sample_mean(logs)).two_sided_p();
}

// The quieter the calls of a process, the surer is pooling of what the process alone decided.
TEST(PooledDesign, FalsePositivesOfIdenticalKernels) {
  for (const double quieter : {1.0, 2.0, 5.0}) {
    auto noise = measured_noise();
    noise.residual_sd /= quieter;
    noise.block_sd /= quieter;
    SplitMix64 random(31);
    Rate pooled, paired;
    for (int i = 0; i < kTrials; ++i) {
      pooled.count(pooled_p(noise, random) < 0.05);
      paired.count(paired_p(noise, random) < 0.05);
    }
    const auto where = fmt::format("measured noise, within processes / {}", quieter);
    report("identical kernels declared different: pooled iterations, " + where, pooled);
    report("identical kernels declared different: paired processes, " + where, paired);
    EXPECT_GT(pooled.low(), 0.05) << "pooling would do no harm, so nothing was tested";
    EXPECT_LE(paired.low(), 0.05);
  }
}

// The design effect says how much: the variance of the mean of all blocks over that of independent ones.
TEST(PooledDesign, DesignEffectIsWhatPoolingIgnores) {
  const auto noise = normal_noise();
  SplitMix64 random(32);
  std::vector<std::vector<double>> processes;
  std::vector<double> means, all;
  for (int p = 0; p < 20'000; ++p) {
    processes.push_back(simulate_process(noise, std::vector{1.0}, kIterations, random)[0]);
    means.push_back(stats::mean(processes.back()));
    all.insert(all.end(), processes.back().begin(), processes.back().end());
  }
  const double of_means = stats::standard_deviation(means);
  const double of_samples = stats::standard_deviation(all);
  const double inflation = of_means * of_means * kIterations / (of_samples * of_samples);
  const auto parts = stats::variance_components(processes);
  EXPECT_NEAR(parts->design_effect() / inflation, 1, 0.01);
}

}  // namespace
}  // namespace attnbench::simulation
