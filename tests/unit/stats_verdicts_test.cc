#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "attnbench/error.h"
#include "stats/aa_gate.h"
#include "stats/best_set.h"
#include "stats/verdicts.h"

namespace attnbench::stats {
namespace {

using Logs = std::vector<double>;
using Family = std::vector<Logs>;

const Logs kFast{.051, .049, .05, .052, .048};
const Logs kSame{.001, -.001, .0005, .0, -.0005};
const Logs kSlow{-.06, -.061, -.059, -.0605, -.0595};
const Logs kNoisy{.03, -.02, .01, .04, -.03};

// p values: scipy 1.17 stats.ttest_1samp. Adjusted: by hand from the ranks, times 2 for the two kinds.
TEST(StatsVerdicts, OneOfEachKind) {
  const auto judged = judge_family(Family{kFast, kSame, kSlow, kNoisy});
  EXPECT_EQ(judged[0].verdict, Verdict::kFaster);
  EXPECT_EQ(judged[1].verdict, Verdict::kEquivalent);
  EXPECT_EQ(judged[2].verdict, Verdict::kSlower);
  EXPECT_EQ(judged[3].verdict, Verdict::kUnresolved);
  EXPECT_NEAR(judged[0].difference_p, 2.396803356777341e-07, 1e-18);
  EXPECT_NEAR(judged[0].difference_p_adjusted, 2 * 3 * 2.396803356777341e-07, 1e-17);
  EXPECT_NEAR(judged[2].difference_p_adjusted, 2 * 4 * 7.232122111607608e-09, 1e-18);
  EXPECT_NEAR(judged[1].equivalence_p, 8.269136197747726e-09, 1e-19);
  EXPECT_NEAR(judged[1].equivalence_p_adjusted, 2 * 4 * 8.269136197747726e-09, 1e-18);
  EXPECT_NEAR(judged[3].equivalence_p, 0.017465423879844847, 1e-12);
  EXPECT_NEAR(judged[3].equivalence_p_adjusted, 2 * 3 * 0.017465423879844847, 1e-12);
  EXPECT_EQ(judged[1].margin_ratio, 1.05) << "five processes";
  EXPECT_NEAR(judged[0].ratio.estimate, std::exp(.05), 1e-14);
}

// 3 % slower with hardly any spread: within the margin of five processes, and beyond that of ten.
TEST(StatsVerdicts, TheMarginIsWideBelowTenProcesses) {
  const Logs slower{-.03, -.031, -.029, -.0305, -.0295};
  auto ten = slower;
  ten.insert(ten.end(), slower.begin(), slower.end());
  const auto of_five = judge_family(Family{slower})[0];
  EXPECT_EQ(of_five.verdict, Verdict::kEquivalent);
  EXPECT_NEAR(of_five.equivalence_p, 3.751410890757317e-07, 1e-16);
  const auto of_ten = judge_family(Family{ten})[0];
  EXPECT_EQ(of_ten.verdict, Verdict::kSlower);
  EXPECT_EQ(of_ten.margin_ratio, 1.02);
  EXPECT_NEAR(of_ten.equivalence_p, 0.9999999999952989, 1e-12);
}

TEST(StatsVerdicts, OneComparisonIsNotAdjusted) {
  const auto judged = judge_family(Family{kFast});
  EXPECT_EQ(judged[0].difference_p, judged[0].difference_p_adjusted);
  EXPECT_EQ(judged[0].equivalence_p, judged[0].equivalence_p_adjusted);
}

TEST(StatsVerdicts, LargerFamiliesClaimLess) {
  const Logs modest{.03, .12, .06, .15, .075};  // p = 0.0097
  EXPECT_EQ(judge_family(Family{modest})[0].verdict, Verdict::kFaster);
  EXPECT_EQ(judge_family(Family{modest, kNoisy, kNoisy})[0].verdict, Verdict::kUnresolved);
}

TEST(StatsVerdicts, EquivalentComesBeforeFaster) {
  const Logs slightly{.0049, .005, .0051, .00495, .00505};  // significantly above 0, and within 2 %
  const auto judged = judge_family(Family{slightly});
  EXPECT_LT(judged[0].difference_p, .05);
  EXPECT_EQ(judged[0].verdict, Verdict::kEquivalent);
}

TEST(StatsVerdicts, TooFewProcessesAreUnresolvedAndStayInTheFamily) {
  const Logs few(kFast.begin(), kFast.begin() + 4);
  const auto judged = judge_family(Family{few, kSlow, {1.0}});
  EXPECT_EQ(judged[0].verdict, Verdict::kUnresolved);
  EXPECT_LT(judged[0].difference_p, .001);
  EXPECT_EQ(judged[0].difference_p_adjusted, 1);
  EXPECT_NEAR(judged[1].difference_p_adjusted, 2 * 3 * judged[1].difference_p, 1e-15);
  EXPECT_EQ(judged[2].verdict, Verdict::kUnresolved);
  EXPECT_FALSE(std::isfinite(judged[2].ratio.high));
}

TEST(StatsVerdicts, Words) {
  EXPECT_EQ(to_string(Verdict::kEquivalent), "EQUIVALENT");
  EXPECT_EQ(to_string(Verdict::kFaster), "FASTER");
  EXPECT_EQ(to_string(Verdict::kSlower), "SLOWER");
  EXPECT_EQ(to_string(Verdict::kUnresolved), "UNRESOLVED");
}

TEST(StatsVerdicts, RefusesBadInput) {
  EXPECT_TRUE(judge_family(std::vector<std::vector<double>>{}).empty());
  EXPECT_THROW(judge_family(Family{{}}), InputError);
  EXPECT_THROW(judge_family(Family{{0, NAN}}), InputError);
}

TEST(StatsBestSet, WinnerAndTies) {
  const Logs baseline{0, 0, 0, 0, 0};
  const auto alone = find_best_set(Family{baseline, kSlow, kFast});
  EXPECT_TRUE(alone.has_winner());
  EXPECT_EQ(alone.members, (std::vector<std::size_t>{2}));
  const auto tied = find_best_set(Family{baseline, kSlow, kSame});
  EXPECT_EQ(tied.members, (std::vector<std::size_t>{0, 2}));
  EXPECT_FALSE(tied.has_winner());
}

// The largest p of a contest is the runner-up's, two-sided; four contests multiply the smallest of them by 4.
TEST(StatsBestSet, WinnersAreOneFamily) {
  const Logs leader{.01, .02, .03, .04,
                    .05};  // mean .03, s = .0158114, error .00707107: t = 4.243, p = .01324
  const Contest close{leader, {0, 0, 0, 0, 0}};
  const Contest clear{kFast, {0, 0, 0, 0, 0}};
  EXPECT_TRUE(find_best_set(close).has_winner());
  EXPECT_NEAR(find_best_set(close).winner_p_adjusted, .013236, 1e-5);
  const std::vector<Contest> four(4, close);
  for (const auto& best : find_best_sets(four)) {
    EXPECT_NEAR(best.winner_p_adjusted, 4 * .013236, 1e-4);
    EXPECT_EQ(best.members, (std::vector<std::size_t>{0, 1})) << "the tie is named";
  }
  const auto mixed = find_best_sets(std::vector<Contest>{close, clear, clear});
  EXPECT_NEAR(mixed[0].winner_p_adjusted, .013236, 1e-5) << "the clear ones are decided first";
  EXPECT_TRUE(mixed[1].has_winner());
}

// Of a set without a winner a kernel is left out at the family's level too.
TEST(StatsBestSet, TheSetHonoursTheFamily) {
  const Logs second{0, .021, .029, .041, .051};
  const Logs third{0, 0, 0, 0, 0};
  const Contest contest{{.01, .02, .03, .04, .05}, second, third};
  // Third: p = .013236, Holm over the two tests times 2 = .0265.
  EXPECT_EQ(find_best_set(contest).members, (std::vector<std::size_t>{0, 1}));
  for (const auto& best : find_best_sets(std::vector<Contest>(2, contest)))
    EXPECT_EQ(best.members, (std::vector<std::size_t>{0, 1, 2})) << "2 x .0265 is above 5 %";
}

// The second is excluded, the third, a noisy one below it, is not: lead .41, s = .61, t = 1.5.
TEST(StatsBestSet, WhatNoiseAloneKeepsIsToldApart) {
  const Contest contest{{.3, .31, .29, .3, .3}, {0, 0, 0, 0, 0}, {-.9, .5, -.6, .4, .05}};
  const auto best = find_best_set(contest);
  EXPECT_EQ(best.members, (std::vector<std::size_t>{0, 2}));
  EXPECT_EQ(best.leading, 1U);
  const std::vector<std::vector<bool>> slower{{false, false, true}};
  EXPECT_TRUE(find_best_sets(std::span(&contest, 1), slower)[0].has_winner());
}

TEST(StatsBestSet, NoiseOfTheBaselineCancels) {
  // Ratios to a noisy baseline vary by 20 %, those of the two kernels to each other hardly.
  const Logs a{.2, -.1, .1, 0, -.2};
  const Logs b{.151, -.149, .05, -.051, -.249};
  EXPECT_EQ(find_best_set(Family{a, b}).members, (std::vector<std::size_t>{0}));
}

TEST(StatsBestSet, FewProcessesTieAll) {
  EXPECT_EQ(find_best_set(Family{{0, 0, 0, 0}, {1, 1.1, 1, .9}}).members, (std::vector<std::size_t>{1, 0}));
}

TEST(StatsBestSet, RefusesBadInput) {
  EXPECT_THROW(find_best_set({}), InputError);
  EXPECT_THROW(find_best_set(Family{{0, 0}, {1}}), InputError);
  EXPECT_THROW(find_best_set(Family{{}}), InputError);
}

// .01 + .001 (-2, .., 2): error .001 sqrt(2.5 / 5), 95 % quantile of t(4) 2.131847.
TEST(StatsAaGate, TheNinetyPercentIntervalDecides) {
  const auto check = check_aa(Family{{.008, .009, .01, .011, .012}})[0];
  EXPECT_NEAR(check.deciding.low, std::exp(.01 - 2.131847 * .00070711), 1e-7);
  EXPECT_NEAR(check.deciding.high, std::exp(.01 + 2.131847 * .00070711), 1e-7);
  // Upper bounds log 1.05 -+ .0001: the 95 % interval (2.776445) reaches beyond 5 % in both.
  for (const double beyond : {-.0001, .0001}) {
    const double mean = std::log(1.05) + beyond - 2.131847 * .0070711;
    const auto near = check_aa(Family{{mean - .02, mean - .01, mean, mean + .01, mean + .02}})[0];
    EXPECT_EQ(near.equivalent, beyond < 0);
    EXPECT_EQ(near.deciding.high <= 1.05, near.equivalent);
    EXPECT_GT(near.ratio.high, 1.05);
  }
}

TEST(StatsAaGate, FailsOnlyIfSignificantAndLarge) {
  const Logs small_but_sure{.0049, .005, .0051, .00495, .00505};
  const Logs unclear{.09, -.06, .03, .12, -.09};
  const auto checks = check_aa(Family{kSame, small_but_sure, kSlow, unclear});
  EXPECT_FALSE(checks[0].fails_gate);
  EXPECT_TRUE(checks[0].equivalent);
  EXPECT_FALSE(checks[1].fails_gate) << "half a percent does no harm";
  EXPECT_LT(checks[1].p_adjusted, kAaGateError);
  EXPECT_TRUE(checks[2].fails_gate);
  EXPECT_FALSE(checks[2].equivalent);
  EXPECT_FALSE(checks[3].fails_gate);
  EXPECT_FALSE(checks[3].equivalent) << "too noisy to know";
}

TEST(StatsAaGate, HolmOverTheCells) {
  const auto checks = check_aa(Family{kFast, kSlow});
  // The smaller p twice, the larger once (p values as above).
  EXPECT_NEAR(checks[1].p_adjusted, 2 * 7.232122111607608e-09, 1e-18);
  EXPECT_NEAR(checks[0].p_adjusted, 2.396803356777341e-07, 1e-17);
}

TEST(StatsAaGate, OneProcessSaysNothing) {
  const auto check = check_aa(Family{{.5}}).front();
  EXPECT_FALSE(check.fails_gate);
  EXPECT_FALSE(check.equivalent);
  EXPECT_FALSE(check.ratio.low > 0);
}

}  // namespace
}  // namespace attnbench::stats
