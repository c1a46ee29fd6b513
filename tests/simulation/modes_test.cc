// Processes with modes: how often the test for them alarms where there are none, how often it sees those
// there are, and what the intervals cover when each kernel's own processes are drawn again, data set by data
// set.
#include "stats/modes.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <numbers>
#include <string>
#include <vector>

#include "simulation/noise_model.h"
#include "simulation/noise_processes.h"
#include "simulation/rate.h"
#include "simulation/stopping_rule.h"
#include "stats/intervals.h"
#include "stats/process_value.h"
#include "stats/verdicts.h"

namespace attnbench::simulation {
namespace {

constexpr double kAllowed = 0.05;
/// Of critical_gap: less than is allowed, since the tails of measured noise are longer.
constexpr double kNormalLevel = 0.03;

/// Box and Muller (1958): tails as long as they are, unlike Shape's.
double normal(SplitMix64& random) {
  return std::sqrt(-2 * std::log(uniform_share(random))) *
         std::cos(2 * std::numbers::pi * uniform_share(random));
}

/// Normal values, of which a share lies `size` standard deviations higher.
std::vector<double> planted(int count, double share, double size, SplitMix64& random) {
  std::vector<double> values(static_cast<std::size_t>(count));
  for (double& value : values) value = normal(random) + (uniform_share(random) < share ? size : 0);
  return values;
}

bool covers(const stats::Interval& interval, double truth) {
  // Values drawn again may all be equal, and their mean is the truth but for rounding.
  return interval.low <= truth + 1e-12 && truth - 1e-12 <= interval.high;
}

TEST(Modes, FalseAlarmsUnderNormalNoise) {
  for (const int processes : {5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 18, 20, 25, 30, 40, 100}) {
    SplitMix64 random(61);
    Rate alarms;
    for (int i = 0; i < 20'000; ++i) alarms.count(stats::has_modes(planted(processes, 0, 0, random)));
    report(fmt::format("modes: false alarms, normal noise, {} processes", processes), alarms);
    EXPECT_LE(alarms.low(), kNormalLevel) << processes;
    EXPECT_GE(alarms.high(), kNormalLevel) << processes << ": the test gives away power";
  }
}

TEST(Modes, FalseAlarmsUnderMeasuredNoise) {
  for (const int processes : {5, 10, 15, 30}) {
    SplitMix64 random(62);
    Rate alarms;
    for (int i = 0; i < 4'000; ++i) {
      alarms.count(
          stats::has_modes(simulate_cell(measured_noise(), std::vector{1.0, 1.0}, processes, 30, random)[0]));
    }
    report(fmt::format("modes: false alarms, measured noise of one mode, {} processes", processes), alarms);
    EXPECT_LE(alarms.low(), kAllowed) << processes;
  }
  SplitMix64 random(63);
  const auto noise = scaled_to_half_width(measured_noise(), 0.012);
  Rate alarms;
  for (int i = 0; i < 3'000; ++i)
    alarms.count(stats::has_modes(simulate_until_narrow(noise, std::vector{1.0, 1.0, 1.0}, random)[1]));
  report("modes: false alarms, measured noise of one mode, stopping rule", alarms);
  EXPECT_LE(alarms.low(), kAllowed);
}

TEST(Modes, Power) {
  for (const int processes : {5, 10, 15, 30}) {
    for (const double share : {0.1, 0.2, 0.5}) {
      for (const double size : {4.0, 6.0, 10.0, 20.0}) {
        SplitMix64 random(64);
        Rate seen;
        for (int i = 0; i < 4'000; ++i) seen.count(stats::has_modes(planted(processes, share, size, random)));
        report(fmt::format("modes: seen, {} processes, {:.0f} % of them {:.0f} standard deviations off",
                           processes, 100 * share, size),
               seen);
        if (size < 10 || processes < 10) continue;
        // What no process shows cannot be seen.
        EXPECT_GE(seen.high(), 0.95 * (1 - std::pow(1 - share, processes))) << processes << ' ' << share;
      }
    }
  }
}

// Where modes are seen, the interval covers the mean, and the typical process of a mode that most are in.
TEST(Modes, IntervalOfFlaggedRows) {
  double lowest = 1;
  for (const int processes : {5, 10, 15, 30}) {
    for (const double share : {0.05, 0.1, 0.2, 0.5}) {
      for (const double size : {4.0, 10.0, 20.0}) {
        SplitMix64 random(65);
        Rate narrow, wide, typical;
        for (int i = 0; i < 3'000; ++i) {
          const auto logs = planted(processes, share, size, random);
          if (!stats::has_modes(logs)) continue;
          const auto interval = stats::interval_with_modes(logs);
          narrow.count(covers(stats::mean_interval(logs), share * size));
          wide.count(covers(interval, share * size));
          typical.count(covers(interval, 0));
        }
        const auto where = fmt::format("{} processes, {:.0f} % of them {:.0f} standard deviations off",
                                       processes, 100 * share, size);
        report("modes: coverage of the mean where seen, t interval, " + where, narrow);
        report("modes: coverage of the mean where seen, wide interval, " + where, wide);
        report("modes: coverage of the larger mode where seen, wide interval, " + where, typical);
        lowest = std::min(lowest, wide.value());
        EXPECT_GE(wide.high(), 0.93) << where;
      }
    }
  }
  fmt::print("modes: lowest coverage of the wide interval {:.1f} %\n", 100 * lowest);
}

// One process in ten is slower by so much: how often a kernel that is otherwise as fast as the baseline is
// called EQUIVALENT by two one-sided tests alone, and by the verdict, which asks for modes first. What a
// study of ten does not hold it cannot show: 0.9^10 is 35 %.
TEST(Modes, SlowTenthIsSeldomCalledEquivalent) {
  constexpr int kProcesses = 10;
  for (const double slower : {1.05, 1.1, 1.3}) {
    SplitMix64 random(67);
    Rate by_tests, by_verdict, with_slow, none_slow;
    for (int i = 0; i < 5'000; ++i) {
      std::vector<double> logs;
      bool any_slow = false;
      for (int p = 0; p < kProcesses; ++p) {
        const bool slow = uniform_share(random) < 0.1;
        any_slow = any_slow || slow;
        logs.push_back(0.01 * normal(random) - (slow ? std::log(slower) : 0));
      }
      const auto judged = stats::judge_family(std::vector<std::vector<double>>{logs})[0];
      const bool equivalent = judged.verdict == stats::Verdict::kEquivalent;
      by_tests.count(judged.equivalence_p <= kAllowed);
      by_verdict.count(equivalent);
      none_slow.count(!any_slow);
      if (any_slow) with_slow.count(equivalent);
    }
    const auto where = fmt::format("a tenth of the processes {:.0f} % slower", 100 * (slower - 1));
    report("modes: no slow process among ten, " + where, none_slow);
    report("modes: EQUIVALENT by the tests alone, " + where, by_tests);
    report("modes: EQUIVALENT, " + where, by_verdict);
    report("modes: EQUIVALENT where a slow process was seen, " + where, with_slow);
    EXPECT_LE(with_slow.value(), slower >= 1.1 ? 0.01 : 1) << where;
    EXPECT_LE(by_verdict.value(), by_tests.value()) << where;
  }
}

struct Design {
  std::string name;
  std::array<int, 4> looks;
};

/// As many normal values. Drawing again from few values narrows their spread: what that costs by itself.
MeasuredRow normal_stand_in(const MeasuredRow& row, SplitMix64& random) {
  auto result = row;
  for (double& log : result.log_ratios) log = 0.02 * normal(random);
  return result;
}

/// Stops at the first look at which the row's own interval is within 2 %.
std::vector<double> draw(const MeasuredRow& row, const Design& design, SplitMix64& random) {
  std::vector<double> logs;
  for (const int look : design.looks) {
    if (look <= static_cast<int>(logs.size())) break;
    for (const double value : resample(row.log_ratios, look - static_cast<int>(logs.size()), random))
      logs.push_back(value);
    const auto ratio = stats::ratio_interval(logs);
    if ((ratio.high - ratio.low) / 2 / ratio.estimate <= 0.02) break;
  }
  return logs;
}

// The noise of each kernel is its own: its processes are drawn again, and the interval should hold their
// mean.
TEST(Modes, CoverageOverEachKernelsOwnProcesses) {
  constexpr int kTrials = 150;
  for (const auto& design : {Design{"5 processes", {5}}, Design{"10 processes", {10}},
                             Design{"looks at 10, 15, 20 and 30", {10, 15, 20, 30}}}) {
    SplitMix64 random(66);
    std::map<std::string, Rate> unflagged, flagged;
    Rate all, all_flagged, stand_ins;
    SplitMix64 other(69);
    std::vector<std::pair<double, std::string>> worst;
    for (const auto& row : measured_rows()) {
      const double truth = stats::mean(row.log_ratios);
      Rate rate;
      for (int i = 0; i < kTrials; ++i)
        rate.count(covers(stats::process_interval(draw(row, design, random)), truth));
      if (stats::has_modes(row.log_ratios)) {
        flagged[row.file].add(rate);
        all_flagged.add(rate);
      } else {
        unflagged[row.file].add(rate);
        all.add(rate);
        const auto stand_in = normal_stand_in(row, other);
        const double centre = stats::mean(stand_in.log_ratios);
        for (int i = 0; i < kTrials; ++i)
          stand_ins.count(covers(stats::process_interval(draw(stand_in, design, other)), centre));
        if (row.log_ratios.size() >= 10) worst.emplace_back(rate.value(), row.name());
      }
    }
    for (const auto& [file, rate] : unflagged)
      report("own processes: " + design.name + ", rows without modes, " + file, rate);
    report("own processes: " + design.name + ", rows without modes, all", all);
    report("own processes: " + design.name + ", normal values in their place", stand_ins);
    for (const auto& [file, rate] : flagged)
      report("own processes: " + design.name + ", rows with modes, " + file, rate);
    report("own processes: " + design.name + ", rows with modes, all", all_flagged);
    std::sort(worst.begin(), worst.end());
    for (std::size_t i = 0; i < 5; ++i)
      fmt::print("  worst without modes: {:.1f} % {}\n", 100 * worst[i].first, worst[i].second);
    EXPECT_GE(all.value(), 0.92) << design.name;
  }
}

struct FalseVerdicts {
  Rate single, any;
};

/// Families of identical kernels, each with the processes of one of these rows: FASTER and SLOWER are false.
FalseVerdicts false_verdicts(const std::vector<MeasuredRow>& rows, int processes) {
  constexpr std::size_t kFamily = 20;
  constexpr int kTrials = 2'000;
  SplitMix64 random(68);
  FalseVerdicts rates;
  for (int i = 0; i < kTrials; ++i) {
    std::vector<std::vector<double>> family;
    for (std::size_t k = 0; k < kFamily; ++k) {
      const auto& row = rows[random.next() % rows.size()];
      auto logs = resample(row.log_ratios, processes, random);
      const double centre = stats::mean(row.log_ratios);
      for (double& log : logs) log -= centre;
      family.push_back(std::move(logs));
    }
    const auto is_false = [](const stats::Judgement& judged) {
      return judged.verdict == stats::Verdict::kFaster || judged.verdict == stats::Verdict::kSlower;
    };
    const auto judged = stats::judge_family(family);
    rates.any.count(std::any_of(judged.begin(), judged.end(), is_false));
    rates.single.count(judged[0].difference_p <= kAllowed);
  }
  return rates;
}

// Not above what normal values give when they are drawn again in the same way.
TEST(Modes, FalseVerdictsOverEachKernelsOwnProcesses) {
  SplitMix64 random(70);
  std::vector<MeasuredRow> own, normals;
  for (const auto& row : measured_rows()) {
    if (row.log_ratios.size() < 10 || stats::has_modes(row.log_ratios)) continue;
    own.push_back(row);
    normals.push_back(normal_stand_in(row, random));
  }
  for (const int processes : {10, 20}) {
    const auto measured = false_verdicts(own, processes);
    const auto yardstick = false_verdicts(normals, processes);
    const auto where = fmt::format(", {} processes", processes);
    report("own processes: an identical kernel differs" + where, measured.single);
    report("  normal values in their place", yardstick.single);
    report("own processes: any false verdict of 20 identical kernels" + where, measured.any);
    report("  normal values in their place", yardstick.any);
    EXPECT_LE(measured.any.low(), std::max(kAllowed, yardstick.any.high())) << processes;
  }
}

}  // namespace
}  // namespace attnbench::simulation
