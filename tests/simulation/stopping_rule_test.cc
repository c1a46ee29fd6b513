// Coverage under the stopping rule of the publish profile. Stopping on width favours samples that happen to
// vary little, which costs coverage; how much is measured here, over noise from "always stops at the first
// look" to "never stops".
#include "simulation/stopping_rule.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <array>
#include <vector>

#include "run/conductor/width.h"
#include "simulation/noise_model.h"
#include "simulation/rate.h"
#include "stats/intervals.h"

namespace attnbench::simulation {
namespace {

constexpr double kLowest = 0.93;
constexpr int kTrials = 4'000;
constexpr std::array kScales{0.25, 0.5, 1.0, 1.5, 2.0, 3.0};

/// Baseline, alias, three kernels.
const std::vector<double> kMeans{3e-3, 3e-3, 2e-3, 3e-3, 4e-3};

TEST(StoppingRule, CoverageOfRatios) {
  for (const auto& model : {normal_noise(), measured_noise(), skewed_noise()}) {
    for (const double scale : kScales) {
      const auto noise = scaled_to_half_width(model, 0.01 * scale);
      SplitMix64 random(11);
      Rate coverage, aa_coverage;
      double processes = 0;
      for (int i = 0; i < kTrials; ++i) {
        const auto logs = simulate_until_narrow(noise, kMeans, random);
        const auto aa = stats::ratio_interval(logs[0]);
        const auto faster = stats::ratio_interval(logs[1]);
        aa_coverage.count(aa.low <= 1 && 1 <= aa.high);
        coverage.count(faster.low <= 1.5 && 1.5 <= faster.high);
        processes += static_cast<double>(logs[0].size()) / kTrials;
      }
      const auto where = fmt::format("{} noise, A/A half-width {:.2f} % at 10, {:.1f} processes on average",
                                     model.name, scale, processes);
      report("stopping: ratio, " + where, coverage);
      report("stopping: A/A, " + where, aa_coverage);
      EXPECT_GE(coverage.low(), kLowest) << where;
      EXPECT_GE(aa_coverage.low(), kLowest) << where;
    }
  }
}

/// The same processes as the store has them.
std::vector<ProcessRecord> records(const std::vector<ProcessTimes>& processes) {
  std::vector<ProcessRecord> result;
  for (const auto& times : processes) {
    ProcessRecord process;
    for (std::size_t k = 0; k < times.size(); ++k) {
      for (std::size_t b = 0; b < times[k].size(); ++b) {
        SampleRecord sample;
        sample.block = static_cast<int>(b);
        sample.role = k == 1 ? "alias" : "kernel";
        sample.kernel_id = k <= 1 ? "baseline" : fmt::format("kernel{}", k);
        sample.time_seconds = times[k][b];
        process.samples.push_back(std::move(sample));
      }
    }
    result.push_back(std::move(process));
  }
  return result;
}

// The simulated rule is the one that runs.
TEST(StoppingRule, IsThatOfTheConductor) {
  const auto noise = scaled_to_half_width(measured_noise(), 0.01);
  SplitMix64 random(12);
  int narrow = 0;
  for (int i = 0; i < 200; ++i) {
    std::vector<ProcessTimes> processes;
    std::vector<std::vector<double>> logs(kMeans.size() - 1);
    for (int p = 0; p < 10; ++p) {
      processes.push_back(simulate_process(noise, kMeans, 30, random));
      for (std::size_t k = 1; k < kMeans.size(); ++k) logs[k - 1].push_back(log_ratio(processes.back(), k));
    }
    const bool expected = narrow_enough(records(processes), "baseline");
    EXPECT_EQ(is_narrow(logs), expected);
    narrow += expected;
  }
  EXPECT_GT(narrow, 20) << "both answers must occur for this test to mean something";
  EXPECT_LT(narrow, 180);
}

}  // namespace
}  // namespace attnbench::simulation
