// Coverage of every 95 % interval. Passed only if the whole 99.9 % interval of the simulated coverage lies
// within 93 to 97 %, so that chance can fail a correct formula but hardly pass a wrong one.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "simulation/noise_model.h"
#include "simulation/rate.h"
#include "stats/contrast.h"
#include "stats/crossover.h"
#include "stats/intervals.h"
#include "stats/median_interval.h"
#include "stats/power.h"
#include "stats/power_law.h"
#include "stats/process_value.h"
#include "stats/step_ratio.h"

namespace attnbench::simulation {
namespace {

using stats::Interval;

constexpr int kBlocks = 30;
constexpr int kTrials = 10'000;
constexpr double kLowest = 0.93;
constexpr double kHighest = 0.97;

bool covers(const Interval& interval, double truth) {
  return interval.low <= truth && truth <= interval.high;
}

struct Case {
  NoiseModel noise;
  int processes;
};

std::string label(const Case& of, const std::string& what) {
  return what + ", " + of.noise.name + " noise, " + std::to_string(of.processes) + " processes";
}

std::vector<Case> cases(std::initializer_list<int> numbers_of_processes) {
  std::vector<Case> all;
  for (const auto& noise : {normal_noise(), measured_noise()}) {
    for (const int processes : numbers_of_processes) all.push_back({noise, processes});
  }
  return all;
}

void expect_coverage(const Case& of, const std::string& what, const Rate& rate) {
  report("coverage: " + label(of, what), rate);
  EXPECT_GE(rate.low(), kLowest) << label(of, what);
  EXPECT_LE(rate.high(), kHighest) << label(of, what);
}

std::vector<double> log_seconds(const NoiseModel& noise, double centre_seconds, int processes,
                                SplitMix64& random) {
  std::vector<double> logs;
  for (int p = 0; p < processes; ++p) {
    const auto times = simulate_process(noise, std::vector{centre_seconds}, kBlocks, random);
    logs.push_back(std::log(stats::process_seconds(times[0])));
  }
  return logs;
}

/// Mean of the logarithm of a process value, over its geometric centre's: a median of skewed blocks is not at
/// their centre.
double true_log_offset(const NoiseModel& noise) {
  SplitMix64 other(6);
  return stats::mean(log_seconds(noise, 1.0, 100'000, other));
}

// Of the geometric mean, from independent processes; the interval that is shown is wider (below).
TEST(Coverage, GeometricMeanOfIndependentProcesses) {
  for (const auto& of : cases({5, 10, 30})) {
    SplitMix64 random(1);
    const double truth = 2e-3 * std::exp(true_log_offset(of.noise));
    Rate rate;
    for (int i = 0; i < kTrials; ++i) {
      rate.count(covers(stats::ratio_interval(log_seconds(of.noise, 2e-3, of.processes, random)), truth));
    }
    expect_coverage(of, "geometric mean", rate);
  }
}

// Slow and fast spells of the machine: process values as a first-order autoregressive series. What a t
// interval covers then, and that of time_interval. In a ratio the spells cancel; what is left there is 0.05.
TEST(Coverage, TimesOfCorrelatedProcesses) {
  for (const double correlation : {0.0, 0.05, 0.3}) {
    for (const int processes : {5, 10, 12, 30}) {
      SplitMix64 random(9);
      const auto normal = Shape::normal();
      const double fresh = std::sqrt(1 - correlation * correlation);
      Rate plain, widened;
      for (int i = 0; i < kTrials; ++i) {
        std::vector<double> logs{0.05 * normal.draw(random)};
        while (logs.size() < static_cast<std::size_t>(processes))
          logs.push_back(correlation * logs.back() + fresh * 0.05 * normal.draw(random));
        plain.count(covers(stats::ratio_interval(logs), 1));
        widened.count(covers(stats::time_interval(logs), 1));
      }
      const auto where = fmt::format("correlation {}, {} processes", correlation, processes);
      report("coverage: t interval, " + where, plain);
      report("coverage: interval of a time, " + where, widened);
      EXPECT_GE(widened.low(), kLowest) << where;
      EXPECT_GE(plain.low(), correlation <= 0.05 ? 0.925 : 0.8) << where;
    }
  }
}

TEST(Coverage, PairedRatio) {
  for (const auto& of : cases({5, 10, 30})) {
    SplitMix64 random(2);
    Rate rate;
    for (int i = 0; i < kTrials; ++i) {
      const auto logs = simulate_cell(of.noise, std::vector{3e-3, 2e-3}, of.processes, kBlocks, random);
      rate.count(covers(stats::ratio_interval(logs[0]), 1.5));
    }
    expect_coverage(of, "paired ratio", rate);
  }
}

TEST(Coverage, RatioOfSeparateStores) {
  for (const auto& of : cases({5, 10})) {
    SplitMix64 random(3);
    Rate rate;
    const auto noisier = of.noise.scaled(1.5);  // unequal variances and numbers
    const double truth = std::log(1.5) + true_log_offset(of.noise) - true_log_offset(noisier);
    for (int i = 0; i < kTrials; ++i) {
      const auto a = log_seconds(of.noise, 3e-3, of.processes, random);
      const auto b = log_seconds(noisier, 2e-3, of.processes + 2, random);
      rate.count(covers(stats::welch_difference(a, b).interval(), truth));
    }
    expect_coverage(of, "ratio of separate stores", rate);
  }
}

// Exponents are those of least squares through the true times, which bend as real ones do.
TEST(Coverage, ExponentStepAndCrossover) {
  const std::vector<double> lengths{128, 256, 512, 1024};
  const std::vector<double> seconds{1e-4, 2.4e-4, 7e-4, 3.1e-3};
  const std::vector<double> log_ratios{-.10, -.02, .03,
                                       .15};  // crosses at a weight of 0.4 between 256 and 512
  const double true_crossover = 256 * std::pow(2, 0.4);
  std::vector<stats::SizePoint> truth;
  for (std::size_t i = 0; i < 4; ++i) truth.push_back({lengths[i], {std::log(seconds[i])}});
  const double true_exponent = stats::fit_power_law(truth).exponent.estimate;

  for (const auto& of : cases({5, 10})) {
    SplitMix64 random(4);
    Rate exponent, step, crossover;
    for (int i = 0; i < kTrials / 2; ++i) {
      std::vector<stats::SizePoint> times, ratios;
      for (std::size_t n = 0; n < 4; ++n) {
        // The stopping rule leaves different numbers of processes at different lengths.
        const int processes = of.processes + static_cast<int>(n % 2) * 5;
        stats::SizePoint time{lengths[n], {}}, ratio{lengths[n], {}};
        for (int p = 0; p < processes; ++p) {
          const std::vector<double> means{seconds[n], seconds[n] * std::exp(-log_ratios[n])};
          const auto process = simulate_process(of.noise, means, kBlocks, random);
          time.process_logs.push_back(std::log(stats::process_seconds(process[0])));
          ratio.process_logs.push_back(log_ratio(process, 1));
        }
        times.push_back(std::move(time));
        ratios.push_back(std::move(ratio));
      }
      exponent.count(covers(stats::fit_power_law(times).exponent, true_exponent));
      step.count(covers(stats::step_ratios(times)[2].ratio, seconds[3] / seconds[2]));
      if (i % 2 == 1) continue;  // the search takes its time
      bool inside = false;
      for (const auto& range : stats::find_crossover(ratios).ranges) {
        inside = inside || (range.low <= true_crossover && true_crossover <= range.high);
      }
      crossover.count(inside);
    }
    expect_coverage(of, "power-law exponent", exponent);
    expect_coverage(of, "step ratio", step);
    expect_coverage(of, "crossover", crossover);
  }
}

// Order statistics cannot give exactly 95 %: what is claimed is the exact confidence.
TEST(Coverage, MedianOfProcessMedians) {
  for (const auto& noise : {normal_noise(), measured_noise(), skewed_noise()}) {
    const auto process_medians = [&](int processes, SplitMix64& random) {
      std::vector<double> medians;
      for (int p = 0; p < processes; ++p) {
        medians.push_back(stats::median(simulate_process(noise, std::vector{1.0}, kBlocks, random)[0]));
      }
      return medians;
    };
    SplitMix64 other(6);
    const double truth = stats::median(process_medians(200'000, other));
    for (const int processes : {6, 10, 30}) {
      SplitMix64 random(5);
      Rate rate;
      double confidence = 0;
      for (int i = 0; i < kTrials; ++i) {
        const auto median = stats::median_interval(process_medians(processes, random));
        confidence = median.confidence;
        rate.count(covers(median.interval, truth));
      }
      report("coverage: " + label({noise, processes}, "median latency"), rate);
      EXPECT_LE(rate.low(), confidence) << label({noise, processes}, "median");
      EXPECT_GE(rate.high(), confidence) << label({noise, processes}, "median");
    }
  }
}

// Skewness is what Student's t is not made for. It cancels in paired ratios; times of few processes suffer,
// which is documented rather than hidden: the bound is what was found, not 93 %.
TEST(Coverage, SkewedNoise) {
  for (const int processes : {5, 10, 30}) {
    const Case of{skewed_noise(), processes};
    SplitMix64 random(7);
    const double seconds = 3e-3 * std::exp(true_log_offset(of.noise));
    Rate ratio, latency;
    for (int i = 0; i < kTrials; ++i) {
      std::vector<double> logs, times_logs;
      for (int p = 0; p < processes; ++p) {
        const auto times = simulate_process(of.noise, std::vector{3e-3, 2e-3}, kBlocks, random);
        logs.push_back(log_ratio(times, 1));
        times_logs.push_back(std::log(stats::process_seconds(times[0])));
      }
      ratio.count(covers(stats::ratio_interval(logs), 1.5));
      latency.count(covers(stats::ratio_interval(times_logs), seconds));
    }
    expect_coverage(of, "paired ratio", ratio);
    report("coverage: " + label(of, "geometric mean"), latency);
    EXPECT_GE(latency.low(), 0.92) << label(of, "geometric mean");
  }
}

// The power formula against the share of simulated tests that find a true difference.
TEST(Coverage, PowerIsAsComputed) {
  for (const auto& of : cases({10})) {
    SplitMix64 random(8);
    // The standard deviation of a process's log-ratio, from many.
    const auto many = simulate_cell(of.noise, std::vector{1.0, 1.0}, 50'000, kBlocks, random)[0];
    const double log_sd = stats::standard_deviation(many);
    const double ratio = stats::smallest_detectable_ratio(log_sd, of.processes);
    Rate found;
    for (int i = 0; i < kTrials; ++i) {
      const auto logs = simulate_cell(of.noise, std::vector{ratio, 1.0}, of.processes, kBlocks, random)[0];
      found.count(!covers(stats::ratio_interval(logs), 1));
    }
    report("power (computed 80 %): " + label(of, "paired ratio"), found);
    EXPECT_NEAR(found.value(), stats::kPower, 0.03) << label(of, "power");
  }
}

}  // namespace
}  // namespace attnbench::simulation
