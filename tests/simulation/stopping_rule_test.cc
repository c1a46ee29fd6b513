// Coverage under the stopping rule of the publish profile. Stopping on width favours samples that happen to
// vary little, which costs coverage; how much is measured here, over noise from "always stops at the first
// look" to "never stops".
#include "simulation/stopping_rule.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "run/conductor/width.h"
#include "simulation/noise_model.h"
#include "simulation/rate.h"
#include "stats/process_value.h"

namespace attnbench::simulation {
namespace {

constexpr double kLowest = 0.93;

/// Baseline, alias, three kernels.
const std::vector<double> kCentres{3e-3, 3e-3, 2e-3, 3e-3, 4e-3};

std::string label(const NoiseModel& noise, double half_width, double processes) {
  return fmt::format("{} noise, A/A +-{:.2f} % at 10, {:.1f} processes", noise.name, 100 * half_width,
                     processes);
}

TEST(StoppingRule, CoverageOverNoise) {
  constexpr int kTrials = 1'500;
  for (const auto& model : {normal_noise(), measured_noise(), skewed_noise()}) {
    for (const double half_width : {0.005, 0.01, 0.015, 0.02, 0.03}) {
      const auto noise = scaled_to_half_width(model, half_width);
      SplitMix64 random(11);
      Rate coverage;
      double processes = 0;
      for (int i = 0; i < kTrials; ++i) {
        const auto logs = simulate_until_narrow(noise, kCentres, random);
        const auto ratio = stats::ratio_interval(logs[1]);
        coverage.count(ratio.low <= 1.5 && 1.5 <= ratio.high);
        processes += static_cast<double>(logs[0].size()) / kTrials;
      }
      report("stopping rule: ratio, " + label(noise, half_width, processes), coverage);
      EXPECT_GE(coverage.high(), kLowest) << label(noise, half_width, processes);
    }
  }
}

// The interval that itself decides, alone, at the noise where a look decides most often: nothing can be
// worse.
TEST(StoppingRule, CoverageAtItsWorst) {
  constexpr int kTrials = 60'000;
  constexpr double kHalfWidth = 0.015;
  for (const auto& model : {normal_noise(), measured_noise()}) {
    const auto noise = scaled_to_half_width(model, kHalfWidth);
    SplitMix64 random(13);
    Rate coverage;
    double processes = 0;
    for (int i = 0; i < kTrials; ++i) {
      const auto logs = simulate_until_narrow(noise, std::vector{3e-3, 3e-3}, random);
      const auto aa = stats::ratio_interval(logs[0]);
      coverage.count(aa.low <= 1 && 1 <= aa.high);
      processes += static_cast<double>(logs[0].size()) / kTrials;
    }
    report("stopping rule: A/A alone, " + label(noise, kHalfWidth, processes), coverage);
    EXPECT_GE(coverage.low(), kLowest) << label(noise, kHalfWidth, processes);
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
    std::vector<std::vector<double>> logs(kCentres.size() - 1);
    for (int p = 0; p < 10; ++p) {
      processes.push_back(simulate_process(noise, kCentres, 30, random));
      for (std::size_t k = 1; k < kCentres.size(); ++k) logs[k - 1].push_back(log_ratio(processes.back(), k));
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
