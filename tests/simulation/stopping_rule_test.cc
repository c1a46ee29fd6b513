// Coverage under the stopping rule of the publish profile. Stopping on width favours samples that happen to
// vary little, which costs coverage; how much is measured here, over noise from "always stops at the first
// look" to "never stops".
#include "simulation/stopping_rule.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "run/conductor/width.h"
#include "simulation/noise_model.h"
#include "simulation/rate.h"
#include "stats/contrast.h"
#include "stats/process_value.h"
#include "stats/quantiles.h"

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

/// One kernel against the baseline, of the same speed, processes measured until `stop` says so, 30 at most.
template <typename Stop>
Rate false_alarms(double log_sd, Stop stop) {
  constexpr int kTrials = 20'000;
  constexpr double kLevel = 0.05;
  const auto normal = Shape::normal();
  SplitMix64 random(14);
  Rate alarms;
  for (int i = 0; i < kTrials; ++i) {
    std::vector<double> logs;
    do {
      logs.push_back(log_sd * normal.draw(random));
    } while (logs.size() < 30 && !stop(logs));
    alarms.count(stats::estimate(stats::sample_mean(logs)).two_sided_p() <= kLevel);
  }
  return alarms;
}

// Why a run looks at widths, and a cell is judged at a planned look: whoever looks at the verdict and stops
// when there is one errs more often than the 5 % of a single test, at four looks as well as after every
// process.
TEST(StoppingRule, StoppingOnAVerdictErrs) {
  const double log_sd = 0.015 * std::sqrt(10.0) / stats::t_quantile(0.975, 9);  // +-1.5 % at 10
  const auto is_look = [](std::size_t n) { return n == 10 || n == 15 || n == 20; };
  const auto has_verdict = [](const std::vector<double>& logs) {
    return stats::estimate(stats::sample_mean(logs)).two_sided_p() <= 0.05;
  };
  const auto each =
      false_alarms(log_sd, [&](const auto& logs) { return logs.size() >= 10 && has_verdict(logs); });
  const auto at_looks =
      false_alarms(log_sd, [&](const auto& logs) { return is_look(logs.size()) && has_verdict(logs); });
  const auto on_width = false_alarms(log_sd, [&](const auto& logs) {
    return is_look(logs.size()) && is_narrow(std::vector<std::vector<double>>{logs});
  });
  report("stopping on a verdict after each of 10 to 30 processes: false alarms", each);
  report("stopping on a verdict at 10, 15, 20 or 30: false alarms", at_looks);
  report("stopping on width at 10, 15, 20 or 30: false alarms", on_width);
  EXPECT_GT(each.low(), 0.12);
  EXPECT_GT(at_looks.low(), 0.08);
  EXPECT_LE(on_width.value(), 1 - kLowest) << "coverage of at least 93 %, as above";
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
    const bool expected = narrow_enough(records(processes), "baseline", parse_profile("publish"));
    EXPECT_EQ(is_narrow(logs), expected);
    narrow += expected;
  }
  EXPECT_GT(narrow, 20) << "both answers must occur for this test to mean something";
  EXPECT_LT(narrow, 180);
}

}  // namespace
}  // namespace attnbench::simulation
