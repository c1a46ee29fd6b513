// What a reader is told of rows whose processes have modes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "analysis/summary_json.h"
#include "report/kernels_csv.h"
#include "report/table.h"
#include "report/verdict_table.h"
#include "stats/aa_gate.h"
#include "stats/verdicts.h"
#include "unit/synthetic_run.h"

namespace attnbench {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

using Values = std::vector<double>;

/// Nine processes about 1, one 1.2 % slower: the mean is well within 2 %, and one in ten is not of the
/// others' kind.
const Values kOneApart{-.001, .001, -.0005, .0005, 0, -.001, .001, -.0005, .0005, -.012};
const Values kTogether{-.001, .001, -.0005, .0005, 0, -.001, .001, -.0005, .0005, 0};
const Values kTwoGroups{-.002, -.001, 0, .001, .002, .498, .499, .5, .501, .502};

stats::Judgement judged(const Values& logs) { return stats::judge_family(std::vector<Values>{logs})[0]; }

TEST(ModesVerdict, NeverEquivalent) {
  EXPECT_EQ(judged(kTogether).verdict, stats::Verdict::kEquivalent);
  EXPECT_FALSE(judged(kTogether).modes);
  const auto apart = judged(kOneApart);
  EXPECT_LE(apart.equivalence_p, 0.001) << "the two tests alone would say so";
  EXPECT_EQ(apart.verdict, stats::Verdict::kUnresolved);
  EXPECT_TRUE(apart.modes);
  EXPECT_EQ(apart.equivalence_p_adjusted, 1);
}

// By hand: mean 0.25, s^2 = (10 x 0.0625 + 2 x 1e-5) / 9, t = 2.848 with 9 degrees of freedom, p = 0.019; but
// the median's interval reaches from -0.001.
TEST(ModesVerdict, DiffersOnlyIfMeanAndMedianDo) {
  const auto half = judged(kTwoGroups);
  EXPECT_NEAR(half.difference_p, 0.0150, 1e-4);
  EXPECT_EQ(half.verdict, stats::Verdict::kUnresolved);
  EXPECT_NEAR(half.ratio.low, std::exp(-.001), 1e-12);
  EXPECT_NEAR(half.ratio.high, std::exp(.501), 1e-12);
  auto faster = kTwoGroups;
  for (double& log : faster) log += 1;
  EXPECT_EQ(judged(faster).verdict, stats::Verdict::kFaster);
  for (double& log : faster) log = -log;
  EXPECT_EQ(judged(faster).verdict, stats::Verdict::kSlower);
}

// By hand: five at -0.03 and five at 0.03: standard error 0.01, (log 1.02 - 0) / 0.01 = 1.98, p = 0.0395
// either way; but neither group is within 2 %.
TEST(ModesVerdict, AliasWithModesBeyondTheMarginIsNotEquivalent) {
  const Values apart{-.03, -.03, -.03, -.03, -.03, .03, .03, .03, .03, .03};
  const auto checks = stats::check_aa(std::vector<Values>{apart, kOneApart, kTogether});
  EXPECT_TRUE(checks[0].modes);
  EXPECT_FALSE(checks[0].equivalent);
  EXPECT_NEAR(checks[0].ratio.high, std::exp(.03), 1e-12);
  EXPECT_TRUE(checks[1].modes);
  EXPECT_TRUE(checks[1].equivalent) << "all of the interval lies within 2 %";
  EXPECT_FALSE(checks[2].modes);
}

SyntheticRun run_with(const Values& logs) {
  SyntheticRun run;
  const auto cell =
      run.add_cell(128, {SyntheticRun::kernel("mha", "unfused"), SyntheticRun::kernel("linear", "two_gemm")});
  for (std::size_t p = 0; p < logs.size(); ++p) {
    run.add_process(cell, static_cast<int>(p), 2,
                    [&](std::size_t k, int) { return k == 0 ? 1e-3 : 1e-3 * std::exp(-logs[p]); });
  }
  return run;
}

TEST(ModesAnalysis, RowSaysSo) {
  const auto run = analyzed(run_with(kTwoGroups));
  const auto& kernel = run.groups[0].cells[0].kernels[1];
  EXPECT_TRUE(kernel.modes);
  EXPECT_NEAR(kernel.ratio->estimate, std::exp(.25), 1e-9);
  EXPECT_NEAR(kernel.ratio->low, std::exp(-.001), 1e-9);
  EXPECT_NEAR(kernel.ratio->high, std::exp(.501), 1e-9);
  EXPECT_THAT(run_table(run), HasSubstr("1.00-1.65 modes"));
  EXPECT_THAT(run_table(run), HasSubstr("modes: some processes lie apart from the others"));
  EXPECT_THAT(run_table(run),
              HasSubstr("EQUIVALENT: 1 of the 1 ratios to the baseline and 0 of the 1 of A/A"));
  EXPECT_THAT(verdict_table(run), Not(HasSubstr("EQUIVALENT")));
  const auto cell = to_json(run)["groups"][0]["cells"][0];
  EXPECT_EQ(cell["kernels"][1]["modes"], true);
  EXPECT_EQ(cell["kernels"][0]["modes"], false);
  EXPECT_EQ(cell["aa"]["modes"], false);
  EXPECT_NEAR(cell["share_not_excluded"].get<double>(), 0.258866, 1e-6);
}

TEST(ModesAnalysis, EquivalentSaysWhatItDoesNotExclude) {
  const auto run = analyzed(run_with(kTogether));
  EXPECT_FALSE(run.groups[0].cells[0].kernels[1].modes);
  EXPECT_THAT(run_table(run), Not(HasSubstr("modes:")));
  EXPECT_THAT(verdict_table(run),
              HasSubstr("EQUIVALENT speaks of the typical process: slow ones of which 10"));
  EXPECT_THAT(verdict_table(run), HasSubstr("26 % of all"));
}

}  // namespace
}  // namespace attnbench
