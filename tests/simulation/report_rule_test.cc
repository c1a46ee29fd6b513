// Error rates under the stopping rule of profile report: looks at 5, 8 and 12 processes of 10 blocks,
// intervals of
// +-5 %, and a budget that ends the run after any of them. The budget knows how long processes take, not what
// they say, so the look it leaves is drawn here before the times.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "plan/study.h"
#include "run/conductor/width.h"
#include "simulation/noise_model.h"
#include "simulation/rate.h"
#include "simulation/stopping_rule.h"
#include "stats/aa_gate.h"
#include "stats/contrast.h"
#include "stats/equivalence.h"
#include "stats/process_value.h"
#include "stats/quantiles.h"
#include "stats/verdicts.h"

namespace attnbench::simulation {
namespace {

using stats::Verdict;

constexpr double kLowest = 0.93;  // of coverage, as under the rule of publish
// Where the one interval that decides is the one that is shown, at the noise where a look decides most often.
// Of five processes some vary little by chance more often than of ten, for which the rule of publish keeps
// kLowest here too.
constexpr double kLowestAlone = 0.92;
constexpr double kAllowed = 0.05;  // of a family

const Profile& report_profile() {
  static const auto profile = parse_profile("report");
  return profile;
}

std::string label(const NoiseModel& noise, double half_width) {
  return fmt::format("{} noise, +-{:.1f} % at 10 processes", noise.name, 100 * half_width);
}

/// Noise from "always stops at the first look" to "never stops".
const std::vector<double> kHalfWidths{0.01, 0.02, 0.03, 0.05};

/// Where a budget may end a run: after the first look, after the second, or not at all.
std::vector<std::vector<double>> measured(const NoiseModel& noise, std::span<const double> centres,
                                          SplitMix64& random) {
  const auto last = static_cast<std::size_t>(random.next() % 3);
  return simulate_until_narrow(noise, centres, random, report_profile(), last);
}

TEST(ReportRule, CoverageOverNoise) {
  constexpr int kTrials = 4'000;
  const std::vector<double> centres{3e-3, 3e-3, 2e-3, 3e-3, 4e-3};
  for (const auto& model : {normal_noise(), measured_noise(), skewed_noise()}) {
    for (const double half_width : kHalfWidths) {
      const auto noise = scaled_to_half_width(model, half_width);
      SplitMix64 random(31);
      Rate coverage;
      double processes = 0;
      for (int i = 0; i < kTrials; ++i) {
        const auto logs = measured(noise, centres, random);
        const auto ratio = stats::ratio_interval(logs[1]);
        coverage.count(ratio.low <= 1.5 && 1.5 <= ratio.high);
        processes += static_cast<double>(logs[0].size()) / kTrials;
      }
      report(fmt::format("report rule: ratio, {}, {:.1f} processes", label(noise, half_width), processes),
             coverage);
      EXPECT_GE(coverage.high(), kLowest) << label(noise, half_width);
    }
  }
}

// The interval that alone decides, at noise where a look decides most often, as in
// StoppingRule.CoverageAtItsWorst.
TEST(ReportRule, CoverageAtItsWorst) {
  constexpr int kTrials = 40'000;
  for (const double half_width : {0.015, 0.02, 0.025, 0.03}) {
    const auto noise = scaled_to_half_width(measured_noise(), half_width);
    SplitMix64 random(32);
    Rate coverage;
    for (int i = 0; i < kTrials; ++i) {
      const auto logs = simulate_until_narrow(noise, std::vector{3e-3, 3e-3}, random, report_profile());
      const auto ratio = stats::ratio_interval(logs[0]);
      coverage.count(ratio.low <= 1 && 1 <= ratio.high);
    }
    report("report rule: A/A alone, " + label(noise, half_width), coverage);
    EXPECT_GE(coverage.low(), kLowestAlone) << label(noise, half_width);
  }
}

/// FASTER, SLOWER or EQUIVALENT that is not so, in a family judged with the margin of every look of the
/// profile, in the cells whose baseline is equivalent to itself. `truth`: log-ratios by cell.
Rate false_verdicts(const NoiseModel& noise, const std::vector<std::vector<double>>& truth, int trials,
                    std::uint64_t seed) {
  SplitMix64 random(seed);
  Rate any;
  for (int i = 0; i < trials; ++i) {
    std::vector<std::vector<double>> family, aliases;
    std::vector<std::pair<std::size_t, double>> members;  // cell, true log-ratio
    for (std::size_t c = 0; c < truth.size(); ++c) {
      std::vector<double> centres{1, 1};
      for (const double log_ratio : truth[c]) centres.push_back(std::exp(-log_ratio));
      const auto logs = measured(noise, centres, random);
      aliases.push_back(logs[0]);
      for (std::size_t k = 0; k < truth[c].size(); ++k) {
        family.push_back(logs[k + 1]);
        members.emplace_back(c, truth[c][k]);
      }
    }
    const auto aa = stats::check_aa(aliases, stats::kWideEquivalenceRatio);
    const auto judged = stats::judge_family(family, stats::kWideEquivalenceRatio);
    bool is_false = false;
    for (std::size_t k = 0; k < judged.size(); ++k) {
      const auto& [cell, log_ratio] = members[k];
      if (!aa[cell].equivalent) continue;
      const auto verdict = judged[k].verdict;
      is_false |= verdict == Verdict::kFaster && log_ratio <= 0;
      is_false |= verdict == Verdict::kSlower && log_ratio >= 0;
      is_false |= verdict == Verdict::kEquivalent &&
                  std::abs(log_ratio) >= std::log(stats::kWideEquivalenceRatio) - 1e-12;
    }
    any.count(is_false);
  }
  return any;
}

TEST(ReportRule, FalseVerdictsAreRare) {
  const double edge = std::log(stats::kWideEquivalenceRatio);
  const std::vector<std::vector<double>> identical(4, std::vector<double>(5, 0));
  std::vector<std::vector<double>> half = identical;
  for (auto& cell : half) cell = {edge, edge, 0, 0, -edge};
  for (const auto& model : {normal_noise(), measured_noise(), skewed_noise()}) {
    for (const double half_width : kHalfWidths) {
      const auto noise = scaled_to_half_width(model, half_width);
      const auto same = false_verdicts(noise, identical, 1'000, 33);
      const auto mixed = false_verdicts(noise, half, 1'000, 34);
      report("report rule: 20 identical kernels, any false verdict, " + label(noise, half_width), same);
      report("report rule: 12 of 20 on the margin, any false verdict, " + label(noise, half_width), mixed);
      EXPECT_LE(same.low(), kAllowed) << label(noise, half_width);
      EXPECT_LE(mixed.low(), kAllowed) << label(noise, half_width);
    }
  }
}

// One kernel and the alias: the fewest intervals that a cell can have.
TEST(ReportRule, OneIdenticalKernel) {
  for (const auto& model : {normal_noise(), measured_noise(), skewed_noise()}) {
    for (const double half_width : kHalfWidths) {
      const auto noise = scaled_to_half_width(model, half_width);
      const auto errors = false_verdicts(noise, {{0}}, 10'000, 36);
      report("report rule: one identical kernel, false verdict, " + label(noise, half_width), errors);
      EXPECT_LE(errors.low(), kAllowed) << label(noise, half_width);
    }
  }
}

/// One kernel as fast as the baseline, and processes until `stop` says so at a look, 12 at most.
template <typename Stop>
Rate false_alarms(double log_sd, Stop stop) {
  constexpr int kTrials = 20'000;
  const auto normal = Shape::normal();
  SplitMix64 random(35);
  Rate alarms;
  for (int i = 0; i < kTrials; ++i) {
    std::vector<double> logs;
    for (const int look : report_profile().processes) {
      while (static_cast<int>(logs.size()) < look) logs.push_back(log_sd * normal.draw(random));
      if (stop(logs)) break;
    }
    alarms.count(stats::estimate(stats::sample_mean(logs)).two_sided_p() <= kAllowed);
  }
  return alarms;
}

TEST(ReportRule, StoppingOnAVerdictWouldErr) {
  const double log_sd = 0.025 * std::sqrt(10.0) / stats::t_quantile(0.975, 9);
  const auto on_verdict = false_alarms(log_sd, [](const auto& logs) {
    return stats::estimate(stats::sample_mean(logs)).two_sided_p() <= kAllowed;
  });
  const auto on_width = false_alarms(log_sd, [](const auto& logs) {
    return is_narrow(std::vector<std::vector<double>>{logs}, report_profile());
  });
  report("report rule: stopping on a verdict at 5, 8 or 12: false alarms", on_verdict);
  report("report rule: stopping on width at 5, 8 or 12: false alarms", on_width);
  EXPECT_GT(on_verdict.low(), 0.095);
  EXPECT_LE(on_width.high(), 1 - kLowestAlone);
}

}  // namespace
}  // namespace attnbench::simulation
