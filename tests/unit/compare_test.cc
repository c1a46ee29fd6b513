#include "analysis/compare.h"

#include <gmock/gmock.h>

#include <cmath>
#include <random>

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

TEST(Compare, PairedBuildsByProcessAndBlock) {
  const auto before = analyzed(run_of(1, 1, "old"));
  auto slower = run_of(1.05, 1, "new");
  // A little noise of its own, so that there is something to estimate.
  for (auto& process : slower.contents.processes) {
    for (auto& sample : process.samples) sample.time_seconds *= 1 + 1e-4 * process.process;
  }
  const auto comparison = compare_paired(before, analyzed(slower), 0.02);
  EXPECT_EQ(comparison.rows.size(), 3U);
  const auto mqa = row(comparison, "mqa/unfused@cpu");
  // The processes' ratios are 1 / (1.05 (1 + 1e-4 p)): centre at p = 2.
  EXPECT_NEAR(mqa.judgement->ratio.estimate, 1 / (1.05 * 1.0002), 1e-7);
  EXPECT_EQ(mqa.judgement->verdict, stats::Verdict::kSlower);
  EXPECT_TRUE(mqa.regression);
  EXPECT_EQ(row(comparison, "mha/unfused@cpu").judgement->verdict, stats::Verdict::kEquivalent);
  EXPECT_EQ(comparison.regressions(), 1);
  EXPECT_EQ(compare_paired(before, analyzed(slower), 0.06).regressions(), 0) << "within the threshold";
  EXPECT_THAT(comparison_table(comparison), HasSubstr("SLOWER  REGRESSION\n"));
}

TEST(Compare, ProcessesWithoutACounterpartAreLeftOut) {
  auto before = run_of(1, 1, "old");
  before.contents.processes[3].valid = false;
  before.contents.processes[3].reason = "steal 3 %";
  const auto comparison = compare_paired(analyzed(before), analyzed(run_of(1.2, 1, "new")), 0.02);
  EXPECT_EQ(row(comparison, "mqa/unfused@cpu").judgement->verdict, stats::Verdict::kUnresolved);
  EXPECT_THAT(comparison.warnings, Contains(HasSubstr("too few processes for verdicts: 4")));
}

TEST(Compare, SeparateSessionsByTheirRatiosToTheBaseline) {
  const auto before = analyzed(run_of(1, 1, "old"));
  const auto drifted = compare_unpaired(before, analyzed(run_of(1, 1.3, "new")), 0.02);
  EXPECT_EQ(drifted.regressions(), 0) << "the whole machine was slower";
  EXPECT_THAT(drifted.warnings, Contains(HasSubstr("drift between the two sessions")));
  EXPECT_FALSE(row(drifted, "mha/unfused@cpu").judgement) << "its ratio to itself says nothing";
  EXPECT_NEAR(row(drifted, "mha/unfused@cpu").times.estimate, 1 / 1.3, 1e-12);

  const auto slower = compare_unpaired(before, analyzed(run_of(1.1, 1.3, "new")), 0.02);
  EXPECT_NEAR(row(slower, "mqa/unfused@cpu").judgement->ratio.estimate, 1 / 1.1, 1e-9);
  EXPECT_TRUE(row(slower, "mqa/unfused@cpu").regression);
  EXPECT_EQ(slower.regressions(), 1);
}

TEST(Compare, WhatIsInOneAloneIsSaid) {
  auto after = run_of(1, 1, "new");
  after.contents.cells[0].kernels[1].support_reason = "gone";
  after.add_five(after.add_cell(256, kThree), {0, 0}, {0.01, 0.01});
  const auto comparison = compare_unpaired(analyzed(run_of(1, 1, "old")), analyzed(after), 0.02);
  EXPECT_EQ(comparison.rows.size(), 2U);
  EXPECT_THAT(comparison.warnings, Contains(HasSubstr("mqa/unfused@cpu has times in the old one alone")));
  EXPECT_THAT(comparison.warnings, Contains(HasSubstr("measured by the new one alone")));
}

TEST(Compare, OnlyAMarkedPairIsPaired) {
  std::vector<RunContents> runs{run_of(1, 1, "new").contents, run_of(1, 1, "old").contents};
  EXPECT_THROW(find_pair(analyze(runs), "x.db"), std::exception) << "two runs of one machine are no pair";
  runs[0].run.plan["pair"] = {{"role", "new"}};
  runs[1].run.plan["pair"] = {{"role", "old"}};
  const auto analysis = analyze(runs);
  EXPECT_EQ(find_pair(analysis, "x.db").before->run.build_id, "old");
  EXPECT_EQ(find_pair(analysis, "x.db").after->run.build_id, "new");
}

// 100 pairs of the same build, six kernels at two N: verdicts of a difference in at most 11 pairs, the 99 %
// band of 5 %.
TEST(Compare, RarelyAlarmsWhereNothingChanged) {
  std::mt19937 random(20261122);
  std::normal_distribution<double> normal;
  const auto noisy_run = [&](const std::string& build) {
    SyntheticRun run;
    run.contents.run.build_id = build;
    for (const std::int64_t n : {128, 256}) {
      const auto cell = run.add_cell(n, kThree);
      for (int p = 0; p < 5; ++p) {
        std::vector<double> own;
        for (std::size_t k = 0; k < kThree.size(); ++k) own.push_back(0.02 * normal(random));
        run.add_process(cell, p, 10,
                        [&](std::size_t k, int) { return 1e-3 * std::exp(own[k] + 0.05 * normal(random)); });
      }
    }
    return analyzed(run);
  };
  int paired = 0;
  int unpaired = 0;
  const auto differs = [](const Comparison& comparison) {
    for (const auto& row : comparison.rows) {
      const bool judged = row.judgement.has_value();
      if (judged && (row.judgement->verdict == stats::Verdict::kSlower ||
                     row.judgement->verdict == stats::Verdict::kFaster))
        return true;
    }
    return false;
  };
  for (int pair = 0; pair < 100; ++pair) {
    const auto before = noisy_run("old");
    const auto after = noisy_run("new");
    paired += differs(compare_paired(before, after, 0.02));
    unpaired += differs(compare_unpaired(before, after, 0.02));
  }
  EXPECT_LE(paired, 11);
  EXPECT_LE(unpaired, 11);
}

}  // namespace
}  // namespace attnbench
