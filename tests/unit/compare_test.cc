#include "analysis/compare.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <tuple>

#include "attnbench/error.h"
#include "report/comparison_table.h"
#include "unit/synthetic_run.h"

namespace attnbench {
namespace {

using testing::Contains;
using testing::HasSubstr;

const std::vector<KernelRecord> kThree{SyntheticRun::kernel("mha", "unfused"),
                                       SyntheticRun::kernel("mqa", "unfused"),
                                       SyntheticRun::kernel("linear", "two_gemm")};

/// Five processes; each process and kernel has its own factor, the same in every run. `slower`: of mqa;
/// `drift`: of everything.
SyntheticRun run_of(double slower, double drift, const std::string& build) {
  SyntheticRun run;
  run.contents.run.build_id = build;
  const auto cell = run.add_cell(128, kThree);
  for (int p = 0; p < 5; ++p) {
    run.add_process(cell, p, 4, [&](std::size_t k, int block) {
      const double noise =
          1 + 0.1 * p + 0.03 * block + 0.002 * std::cos(3.0 * p + 5.0 * static_cast<double>(k));
      return 1e-3 * noise * drift * (k == 1 ? slower : 1);
    });
  }
  return run;
}

const ComparedKernel& row(const Comparison& comparison, const std::string& kernel_id) {
  for (const auto& row : comparison.rows) {
    if (row.kernel_id == kernel_id) return row;
  }
  throw std::runtime_error("no row of " + kernel_id);
}

using Outcome = ComparisonOutcome;

Comparison relative(const SyntheticRun& before, const SyntheticRun& after, double threshold = 0.02) {
  return compare_sessions(analyzed(before), analyzed(after), ComparisonBasis::kRelative, threshold);
}
Comparison absolute(const SyntheticRun& before, const SyntheticRun& after, double threshold = 0.02) {
  return compare_sessions(analyzed(before), analyzed(after), ComparisonBasis::kAbsolute, threshold);
}
Comparison paired(const SyntheticRun& before, const SyntheticRun& after, double threshold = 0.02) {
  return compare_paired(analyzed(before), analyzed(after), threshold);
}

/// log(old / new) of mqa and linear in the five processes: logs + steps (-2, -1, 0, 1, 2). Its standard error
/// is steps sqrt(2.5 / 5), and the 95 % quantile of t with 4 degrees of freedom 2.131847.
SyntheticRun five(const std::vector<double>& logs, const std::vector<double>& steps, double scale = 1) {
  SyntheticRun run;
  run.add_five(run.add_cell(128, kThree), logs, steps, scale);
  return run;
}
constexpr double kLimitOfStep = 2.131847 * 0.70710678;

TEST(Compare, PairedBuildsByProcessAndBlock) {
  const auto before = run_of(1, 1, "old");
  auto slower = run_of(1.05, 1, "new");
  // A little noise of its own, so that there is something to estimate.
  for (auto& process : slower.contents.processes) {
    for (auto& sample : process.samples) sample.time_seconds *= 1 + 1e-4 * process.process;
  }
  const auto comparison = paired(before, slower);
  EXPECT_EQ(comparison.rows.size(), 3U);
  const auto mqa = row(comparison, "mqa/unfused@cpu");
  // The processes' ratios are 1 / (1.05 (1 + 1e-4 p)): centre at p = 2.
  EXPECT_NEAR(mqa.judgement->ratio.estimate, 1 / (1.05 * 1.0002), 1e-7);
  EXPECT_NEAR(*mqa.slower_limit, 1.05 * 1.0002 * std::exp(1e-4 * kLimitOfStep), 1e-7);
  EXPECT_EQ(mqa.judgement->verdict, stats::Verdict::kSlower);
  EXPECT_EQ(mqa.outcome, Outcome::kRegression);
  EXPECT_EQ(row(comparison, "mha/unfused@cpu").judgement->verdict, stats::Verdict::kEquivalent);
  EXPECT_EQ(row(comparison, "mha/unfused@cpu").outcome, Outcome::kPassed);
  EXPECT_EQ(comparison.count(Outcome::kRegression), 1);
  EXPECT_EQ(comparison.outcome(), Outcome::kRegression);
  EXPECT_THAT(comparison_table(comparison), HasSubstr("REGRESSION, SLOWER\n"));
  const auto within = paired(before, slower, 0.06);
  EXPECT_EQ(within.outcome(), Outcome::kPassed);
  EXPECT_THAT(comparison_table(within), HasSubstr("passed, EQUIVALENT ±6 %\n"));
  EXPECT_THAT(comparison_table(within),
              HasSubstr("PASSED: 0 regressions, 0 lost kernels, 0 kernels not decided; 3"));
}

// Both drift by 3 % a block; the old one lacks block 0, the new one block 29. Block by block nothing changed.
TEST(Compare, PairedBlocksAreMatchedByTheirNumber) {
  const auto drifting = [](int missing) {
    SyntheticRun run;
    const auto cell = run.add_cell(128, kThree);
    for (int p = 0; p < 5; ++p) {
      auto& samples =
          run.add_process(cell, p, 30, [&](std::size_t, int block) { return std::pow(1.03, block); }).samples;
      std::erase_if(samples, [&](const auto& sample) { return sample.block == missing; });
    }
    return run;
  };
  const auto comparison = paired(drifting(0), drifting(29));
  for (const auto& r : comparison.rows) {
    EXPECT_NEAR(r.ratio->estimate, 1, 1e-12) << r.kernel_id;
    EXPECT_NEAR(r.old_seconds->estimate, std::pow(1.03, 14.5), 1e-3) << "of blocks 1 to 28 alone";
    EXPECT_NEAR(r.old_seconds->estimate / r.new_seconds->estimate, r.ratio->estimate, 1e-12);
  }
  EXPECT_EQ(comparison.outcome(), Outcome::kPassed);
}

TEST(Compare, TheRatioIsThatOfTheTimesBesideIt) {
  auto before = run_of(1, 1, "old");
  before.contents.processes[3].valid = false;
  before.contents.processes[3].reason = "steal 3 %";
  auto after = run_of(1.2, 1, "new");
  after.contents.processes[0].samples[0].time_seconds *= 100;  // one block of one process
  for (const auto& r : paired(before, after).rows) {
    EXPECT_EQ(r.processes, 4U);
    EXPECT_NEAR(r.old_seconds->estimate / r.new_seconds->estimate, r.ratio->estimate, 1e-12);
  }
}

TEST(Compare, FewerThanFiveProcessesDecideNothing) {
  for (const int processes : {1, 4}) {
    const auto few = [&](double slower) {
      auto run = run_of(slower, 1, "any");
      run.contents.processes.resize(static_cast<std::size_t>(processes));
      return run;
    };
    for (const auto& comparison :
         {paired(few(1), few(3)), relative(few(1), few(3)), absolute(few(1), few(3))}) {
      const auto& mqa = row(comparison, "mqa/unfused@cpu");
      EXPECT_EQ(mqa.outcome, Outcome::kUndecided);
      EXPECT_FALSE(mqa.judgement);
      EXPECT_THAT(mqa.reason, HasSubstr("too few processes"));
      EXPECT_EQ(comparison.count(Outcome::kPassed), 0);
      EXPECT_EQ(comparison.outcome(), Outcome::kUndecided);
      EXPECT_THAT(comparison_table(comparison), HasSubstr("NOT DECIDED: 0 regressions"));
    }
  }
  // Five valid ones in each, of which four are the same.
  auto before = run_of(1, 1, "old");
  before.contents.processes[4].process = 7;
  const auto four = paired(before, run_of(3, 1, "new"));
  EXPECT_EQ(row(four, "mqa/unfused@cpu").reason, "4 processes, 5 are needed");
  EXPECT_EQ(four.outcome(), Outcome::kUndecided);
}

TEST(Compare, ACellThatIsWithheldInEitherIsNotDecided) {
  const auto noisy = [](double alias) {
    SyntheticRun run("publish");
    const auto cell = run.add_cell(128, kThree);
    for (int p = 0; p < 10; ++p)
      run.add_process(
          cell, p, 30,
          [&](std::size_t k, int) { return 1e-3 * (1 + 1e-5 * ((3 * p + static_cast<int>(k)) % 5)); }, alias);
    return run;
  };
  EXPECT_EQ(paired(noisy(1), noisy(1)).outcome(), Outcome::kPassed);
  for (const auto& [before, after, place] :
       {std::tuple(1.1, 1.0, "old: too noisy"), std::tuple(1.0, 1.1, "new: too noisy")}) {
    for (const auto& comparison :
         {paired(noisy(before), noisy(after)), relative(noisy(before), noisy(after))}) {
      EXPECT_EQ(comparison.outcome(), Outcome::kUndecided);
      EXPECT_THAT(row(comparison, "mqa/unfused@cpu").reason, HasSubstr(place));
    }
  }
}

/// mqa passed its verification as less exact.
SyntheticRun with_less_exact(SyntheticRun run) {
  VerificationRecord record;
  record.cell_id = run.contents.cells[0].cell_id;
  record.kernel_id = "mqa/unfused@cpu";
  record.passed = true;
  record.reason = "less exact: o off by 5e-06, allowed 1e-06 (5 times)";
  run.contents.verifications.push_back(record);
  return run;
}

TEST(Compare, NothingIsAskedOfWhatNeitherRanks) {
  const auto exact = five({0, 0}, {0.001, 0.001});
  const auto less = with_less_exact(exact);
  auto slower = with_less_exact(five({-0.5, 0}, {0.001, 0.0011}));
  slower.contents.run.build_id = "new";
  const auto both = relative(less, slower, 0.05);
  EXPECT_EQ(row(both, "mqa/unfused@cpu").outcome, Outcome::kUnranked);
  EXPECT_THAT(row(both, "mqa/unfused@cpu").reason, HasSubstr("less exact: o off by 5e-06"));
  EXPECT_TRUE(row(both, "mqa/unfused@cpu").new_seconds);
  EXPECT_EQ(both.outcome(), Outcome::kPassed) << "linear alone decides";
  EXPECT_THAT(comparison_table(both, 100), HasSubstr("not ranked: "));
  EXPECT_EQ(to_json(both).at("not_ranked"), 1);
  const auto no_longer = relative(exact, slower, 0.05);
  EXPECT_EQ(row(no_longer, "mqa/unfused@cpu").outcome, Outcome::kUndecided);
  EXPECT_EQ(no_longer.outcome(), Outcome::kUndecided);
}

TEST(Compare, AKernelThatTheNewOneLostIsALoss) {
  const std::vector<std::pair<std::string, std::function<void(RunContents&)>>> losses = {
      {"not in the new one", [](auto& c) { c.cells[0].kernels.erase(c.cells[0].kernels.begin() + 1); }},
      {"unsupported: lacks avx512", [](auto& c) { c.cells[0].kernels[1].support_reason = "lacks avx512"; }},
      {"quarantined: crashed", [](auto& c) { c.cells[0].kernels[1].quarantine_reason = "crashed"; }},
      {"wrong: off by 3",
       [](auto& c) {
         VerificationRecord wrong;
         wrong.cell_id = c.cells[0].cell_id;
         wrong.kernel_id = "mqa/unfused@cpu";
         wrong.reason = "off by 3";
         c.verifications.push_back(wrong);
       }},
      {"failed: measure: hung",
       [](auto& c) { c.failures.push_back({c.cells[0].cell_id, "mqa/unfused@cpu", "measure", "hung"}); }},
      {"impossible: 3x", [](auto& c) {
         auto& sample = c.processes[0].samples[1];
         sample.valid = false;
         sample.reason = "IMPOSSIBLE: 3x";
       }}};
  for (const auto& [reason, lose] : losses) {
    auto after = run_of(1, 1, "new");
    lose(after.contents);
    for (const auto& comparison :
         {paired(run_of(1, 1, "old"), after), relative(run_of(1, 1, "old"), after)}) {
      const auto& mqa = row(comparison, "mqa/unfused@cpu");
      EXPECT_EQ(mqa.outcome, Outcome::kLost) << reason;
      EXPECT_EQ(mqa.reason, reason);
      EXPECT_EQ(comparison.outcome(), Outcome::kRegression) << reason;
      EXPECT_THAT(comparison_table(comparison), HasSubstr("LOST: " + reason));
    }
  }
}

TEST(Compare, AKernelOfWhichNothingIsKnownIsNotDecided) {
  auto after = run_of(1, 1, "new");
  for (auto& process : after.contents.processes)
    std::erase_if(process.samples, [](const auto& s) { return s.kernel_id == "mqa/unfused@cpu"; });
  const auto comparison = paired(run_of(1, 1, "old"), after);
  EXPECT_EQ(row(comparison, "mqa/unfused@cpu").outcome, Outcome::kUndecided);
  EXPECT_EQ(comparison.outcome(), Outcome::kUndecided);
}

TEST(Compare, StoresWithNothingInCommonDecideNothing) {
  SyntheticRun before, after;
  before.add_five(before.add_cell(128, kThree), {0, 0}, {0.001, 0.001});
  after.add_five(after.add_cell(256, kThree), {0, 0}, {0.001, 0.001});
  const auto comparison = relative(before, after);
  ASSERT_EQ(comparison.rows.size(), 1U) << "one line for the cell";
  EXPECT_EQ(comparison.rows[0].reason, "not measured by the new one");
  EXPECT_EQ(comparison.rows[0].kernel_id, "");
  EXPECT_THAT(comparison_table(comparison), HasSubstr("0 lost kernels, 1 cell not decided; 0 kernels"));
  EXPECT_EQ(comparison.outcome(), Outcome::kUndecided);
  EXPECT_THAT(comparison.warnings,
              Contains(HasSubstr("in the new one alone: core-prefill-hot-f32-bhsd-b1-h8-q256")));
  EXPECT_TRUE(to_json(comparison)["rows"][0]["kernel"].is_null());

  const auto nothing = relative(SyntheticRun(), after);
  EXPECT_TRUE(nothing.rows.empty());
  EXPECT_EQ(nothing.outcome(), Outcome::kUndecided);
}

TEST(Compare, OtherThreadsOrAnotherBaselineAreNotDecided) {
  auto threads = run_of(1, 1, "new");
  threads.contents.cells[0].threads = 4;
  auto baseline = run_of(1, 1, "new");
  baseline.contents.cells[0].kernels[0].is_baseline = false;
  baseline.contents.cells[0].kernels[1].is_baseline = true;
  auto cpus = run_of(1, 1, "new");
  cpus.contents.cells[0].cpus = {0, 1};
  const auto before = run_of(1, 1, "old");
  for (const auto& [comparison, reason] :
       {std::pair(relative(before, threads), "2 threads in the old one, 4 in the new"),
        std::pair(paired(before, threads), "2 threads in the old one, 4 in the new"),
        std::pair(relative(before, baseline),
                  "the baseline is mha/unfused@cpu in the old one, mqa/unfused@cpu in the new"),
        std::pair(absolute(before, cpus), "CPUs  in the old one, 0,1 in the new")}) {
    ASSERT_EQ(comparison.rows.size(), 1U);
    EXPECT_EQ(comparison.rows[0].reason, reason);
    EXPECT_EQ(comparison.outcome(), Outcome::kUndecided);
  }
}

// mqa is 3 % slower, its limit exp(0.03 + 0.001 kLimitOfStep) = 1.0320.
TEST(Compare, APassIsALimitWithinTheThreshold) {
  const auto before = five({0, 0}, {0, 0});
  const auto after = five({-0.03, 0}, {0.001, 0.001});
  const auto at = [&](double threshold) { return row(paired(before, after, threshold), "mqa/unfused@cpu"); };
  EXPECT_NEAR(*at(0.05).slower_limit, std::exp(0.03 + 0.001 * kLimitOfStep), 1e-6);
  EXPECT_EQ(at(0.0321).outcome, Outcome::kPassed);
  EXPECT_EQ(at(0.0321).judgement->verdict, stats::Verdict::kSlower) << "and within the threshold";
  EXPECT_EQ(at(0.0319).outcome, Outcome::kUndecided)
      << "the estimate is within the threshold, its limit beyond";
  EXPECT_EQ(at(0.0319).reason, "slower, by how much is not decided");
  EXPECT_EQ(at(0.03).outcome, Outcome::kUndecided) << "exp(0.03) = 1.0305 is beyond it, but not shown to be";
  EXPECT_EQ(at(0.025).outcome, Outcome::kRegression);
  EXPECT_THAT(comparison_table(paired(before, after, 0.0319)),
              HasSubstr("not decided: slower, by how much is not decided\n"));

  // As slow on average, with an interval of several percent: neither a pass nor a regression.
  const auto wide = paired(before, five({-0.03, 0}, {0.03, 0.001}));
  EXPECT_EQ(row(wide, "mqa/unfused@cpu").judgement->verdict, stats::Verdict::kUnresolved);
  EXPECT_EQ(row(wide, "mqa/unfused@cpu").outcome, Outcome::kUndecided);
  EXPECT_EQ(wide.outcome(), Outcome::kUndecided);
  // Much faster on average: a pass, though UNRESOLVED.
  const auto fast = paired(before, five({0.03, 0}, {0.02, 0.001}));
  EXPECT_EQ(row(fast, "mqa/unfused@cpu").judgement->verdict, stats::Verdict::kUnresolved);
  EXPECT_EQ(fast.outcome(), Outcome::kPassed);
}

// mqa is 2.1 % slower with an error of 0.004 sqrt(2.5 / 5) = 0.00283: t = 7.4 against 0, (0.021 - log 1.02) /
// 0.00283 = 0.42 against the threshold, one-sided p = 0.347, Holm over three 1. At 2.4 % of error 0.000707:
// t(4) = 5.94, p = 0.00201, times three 0.00604.
TEST(Compare, ARegressionIsShownToReachBeyondTheThreshold) {
  const auto before = five({0, 0}, {0, 0});
  const auto undecided = paired(before, five({-0.021, 0}, {0.004, 0.004}));
  const auto& mqa = row(undecided, "mqa/unfused@cpu");
  EXPECT_EQ(mqa.judgement->verdict, stats::Verdict::kSlower);
  EXPECT_EQ(mqa.outcome, Outcome::kUndecided);
  EXPECT_EQ(*mqa.beyond_p_adjusted, 1);
  EXPECT_EQ(undecided.outcome(), Outcome::kUndecided);
  const auto shown = row(paired(before, five({-0.024, 0}, {0.001, 0.001})), "mqa/unfused@cpu");
  EXPECT_NEAR(*shown.beyond_p_adjusted, 3 * 0.00201, 1e-4);
  EXPECT_EQ(shown.outcome, Outcome::kRegression);
}

// Five processes: `analyze` calls what lies within 5 % EQUIVALENT; here the threshold is the margin.
TEST(Compare, EquivalentIsWithinTheThreshold) {
  const auto before = five({0, 0}, {0, 0});
  const auto after = five({-0.03, -0.03}, {0.001, 0.001});
  const auto narrow = row(paired(before, after, 0.02), "mqa/unfused@cpu");
  EXPECT_EQ(narrow.judgement->verdict, stats::Verdict::kSlower);
  EXPECT_EQ(narrow.outcome, Outcome::kRegression);
  EXPECT_EQ(row(paired(before, after, 0.06), "mqa/unfused@cpu").judgement->verdict,
            stats::Verdict::kEquivalent);
  EXPECT_EQ(row(paired(before, after, 0), "mha/unfused@cpu").outcome, Outcome::kUndecided)
      << "not faster either";
}

TEST(Compare, ALossOrRegressionIsNotHiddenByWhatIsNotDecided) {
  auto after = five({-0.5, 0}, {0.001, 0.2});
  const auto before = five({0, 0}, {0, 0});
  EXPECT_EQ(row(paired(before, after), "linear/two_gemm@cpu").outcome, Outcome::kUndecided);
  EXPECT_EQ(paired(before, after).outcome(), Outcome::kRegression);
  after.contents.cells[0].kernels[1].support_reason = "gone";
  EXPECT_EQ(paired(before, after).outcome(), Outcome::kRegression);
}

TEST(Compare, SeparateSessionsByTheirRatiosToTheBaseline) {
  const auto before = run_of(1, 1, "old");
  const auto slower = relative(before, run_of(1.1, 1.01, "new"));
  EXPECT_NEAR(row(slower, "mqa/unfused@cpu").judgement->ratio.estimate, 1 / 1.1, 1e-9);
  EXPECT_EQ(row(slower, "mqa/unfused@cpu").outcome, Outcome::kRegression);
  EXPECT_EQ(slower.count(Outcome::kRegression), 1);
  EXPECT_EQ(row(slower, "mha/unfused@cpu").outcome, Outcome::kReference);
  EXPECT_FALSE(row(slower, "mha/unfused@cpu").judgement) << "its ratio to itself says nothing";
  EXPECT_NEAR(row(slower, "mha/unfused@cpu").times->estimate, 1 / 1.01, 1e-12);
}

// The baseline takes 1 ms in each process, so its own time is known exactly.
TEST(Compare, ASlowdownOfAllIsSeenInTimesAlone) {
  const auto before = five({0, 0}, {0.001, 0.001});
  const auto twice = five({0, 0}, {0.001, 0.001}, 2);
  const auto by_ratio = relative(before, twice);
  EXPECT_EQ(row(by_ratio, "mqa/unfused@cpu").judgement->verdict, stats::Verdict::kEquivalent);
  EXPECT_EQ(row(by_ratio, "mqa/unfused@cpu").outcome, Outcome::kPassed);
  EXPECT_NEAR(row(by_ratio, "mha/unfused@cpu").times->estimate, 0.5, 1e-12);
  EXPECT_EQ(row(by_ratio, "mha/unfused@cpu").outcome, Outcome::kUndecided);
  EXPECT_EQ(by_ratio.outcome(), Outcome::kUndecided);
  EXPECT_THAT(comparison_table(by_ratio), HasSubstr("Ratios cannot show a slowdown that all kernels"));
  EXPECT_THAT(comparison_table(by_ratio), HasSubstr("0.500"));

  const auto by_time = absolute(before, twice);
  EXPECT_EQ(by_time.count(Outcome::kRegression), 3) << "the baseline too";
  EXPECT_NEAR(row(by_time, "mqa/unfused@cpu").ratio->estimate, 0.5, 1e-12);
  EXPECT_EQ(by_time.outcome(), Outcome::kRegression);

  auto elsewhere = twice;
  elsewhere.contents.run.machine_key = "fedcba9876543210";
  EXPECT_EQ(relative(before, elsewhere).outcome(), Outcome::kPassed) << "times of two machines say nothing";
  EXPECT_THROW(absolute(before, elsewhere), InputError);
}

TEST(Compare, AMeasurementDecidesNothingAboutItself) {
  auto run = five({0, 0}, {0.001, 0.001});
  for (auto& process : run.contents.processes) process.started_utc = "2026-11-22T08:00:00Z";
  EXPECT_EQ(relative(run, run).outcome(), Outcome::kUndecided);
  auto later = run;
  for (auto& process : later.contents.processes) process.started_utc = "2026-11-22T09:00:00Z";
  EXPECT_EQ(relative(run, later).outcome(), Outcome::kPassed);
}

TEST(Compare, AMeasurementDecidesNothingAboutItsContinuation) {
  auto run = five({0, 0}, {0.001, 0.001});
  for (auto& process : run.contents.processes) process.started_utc = "2026-11-22T08:00:00Z";
  auto continued = run;
  for (auto process : run.contents.processes) {
    process.process += static_cast<int>(run.contents.processes.size());
    process.started_utc = "2026-11-22T09:00:00Z";
    continued.contents.processes.push_back(process);
  }
  EXPECT_EQ(relative(run, continued).outcome(), Outcome::kUndecided);
  EXPECT_EQ(relative(continued, run).outcome(), Outcome::kUndecided);
  EXPECT_EQ(absolute(run, continued).outcome(), Outcome::kUndecided);
}

TEST(Compare, OnlyAMarkedPairIsPaired) {
  std::vector<RunContents> runs{run_of(1, 1, "new").contents, run_of(1, 1, "old").contents};
  EXPECT_THROW(find_pair(analyze(runs), "x.db"), std::exception) << "two runs of one machine are no pair";
  (*runs[0].run.plan)["pair"] = {{"role", "new"}};
  (*runs[1].run.plan)["pair"] = {{"role", "old"}};
  const auto analysis = analyze(runs);
  EXPECT_EQ(find_pair(analysis, "x.db").before->run.build_id, "old");
  EXPECT_EQ(find_pair(analysis, "x.db").after->run.build_id, "new");
}

// 100 pairs of builds, three kernels at two N. Nothing changed: a verdict of a difference in at most 11
// pairs, the 99 % band of 5 %. One kernel is slower by exactly the threshold: passes in at most 11.
TEST(Compare, RarelyAlarmsAndRarelyPassesWrongly) {
  std::mt19937 random(20261122);
  std::normal_distribution<double> normal;
  const auto noisy_run = [&](double slower) {
    SyntheticRun run;
    for (const std::int64_t n : {128, 256}) {
      const auto cell = run.add_cell(n, kThree);
      for (int p = 0; p < 5; ++p) {
        std::vector<double> own;
        for (std::size_t k = 0; k < kThree.size(); ++k) own.push_back(0.002 * normal(random));
        run.add_process(cell, p, 10, [&](std::size_t k, int) {
          return 1e-3 * std::exp(own[k] + 0.01 * normal(random)) * (k == 1 && n == 256 ? slower : 1);
        });
      }
    }
    return analyzed(run);
  };
  const auto differs = [](const Comparison& comparison) {
    return std::any_of(comparison.rows.begin(), comparison.rows.end(), [](const auto& r) {
      return r.judgement && (r.judgement->verdict == stats::Verdict::kSlower ||
                             r.judgement->verdict == stats::Verdict::kFaster);
    });
  };
  constexpr double kThreshold = 0.02;
  std::map<std::string, int> alarms, passes, passes_of_equals;
  for (int pair = 0; pair < 100; ++pair) {
    const auto before = noisy_run(1);
    const auto same = noisy_run(1);
    const auto slower = noisy_run(1 + kThreshold);
    const auto count = [&](const std::string& basis, const Comparison& of_same, const Comparison& of_slower) {
      alarms[basis] += differs(of_same);
      passes_of_equals[basis] += of_same.outcome() == Outcome::kPassed;
      passes[basis] += of_slower.outcome() == Outcome::kPassed;
    };
    count("paired", compare_paired(before, same, kThreshold), compare_paired(before, slower, kThreshold));
    for (const auto& [name, basis] : {std::pair("relative", ComparisonBasis::kRelative),
                                      std::pair("absolute", ComparisonBasis::kAbsolute)}) {
      count(name, compare_sessions(before, same, basis, kThreshold),
            compare_sessions(before, slower, basis, kThreshold));
    }
  }
  for (const auto* basis : {"paired", "relative", "absolute"}) {
    EXPECT_LE(alarms[basis], 11) << basis;
    EXPECT_LE(passes[basis], 11) << basis;
    EXPECT_GE(passes_of_equals[basis], 60) << basis << ": a pass must be within reach";
  }
}

}  // namespace
}  // namespace attnbench
