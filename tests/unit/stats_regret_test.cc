// Regret of choices, by hand and on simulated problems of known truth.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "attnbench/error.h"
#include "stats/regret.h"

namespace attnbench::stats {
namespace {

TEST(Regret, NaiveAndCrossFittedByHand) {
  // Even processes pick kernel 1 (2 against 3), which loses in the odd ones: 1 - 5 = -4. These pick kernel 0,
  // the chosen one: 0. Over all processes kernel 0 has 2, kernel 1 has 3.5.
  const RegretCase problem{.log_seconds = {{3, 1, 3, 1}, {2, 5, 2, 5}}, .chosen = 0};
  EXPECT_NEAR(regret_of(problem).naive, 0, 1e-12);
  EXPECT_NEAR(regret_of(problem).cross_fitted, -2, 1e-12);
  const RegretCase other{.log_seconds = problem.log_seconds, .chosen = 1};
  // Even: picks itself, 0. Odd: picks kernel 0, in the even ones 2 - 3.
  EXPECT_NEAR(regret_of(other).naive, 1.5, 1e-12);
  EXPECT_NEAR(regret_of(other).cross_fitted, -0.5, 1e-12);
}

TEST(Regret, IntervalByHand) {
  // Both halves pick kernel 1. Odd processes: 0.1, 0.3; even ones: 0.2, 0.4; squares 0.02 + 0.02 on two
  // degrees of freedom, t 4.302653.
  const auto interval =
      cross_fitted_interval({.log_seconds = {{0.2, 0.1, 0.4, 0.3}, {0, 0, 0, 0}}, .chosen = 0});
  EXPECT_NEAR(interval.estimate, 0.25, 1e-12);
  EXPECT_NEAR(interval.high - interval.estimate, 4.302653 * std::sqrt(0.02 * (1.0 / 8 + 1.0 / 8)), 1e-6);
  EXPECT_NEAR(interval.low + interval.high, 0.5, 1e-12);
  EXPECT_FALSE(cross_fitted_interval({.log_seconds = {{0.2, 0.1}, {0, 0}}, .chosen = 0}).is_bounded());
}

TEST(Regret, BadCasesAreNamed) {
  EXPECT_THROW(regret_of({.log_seconds = {{1, 2}}, .chosen = 1}), InputError);
  EXPECT_THROW(regret_of({.log_seconds = {{1}}, .chosen = 0}), InputError);
  EXPECT_THROW(regret_of({.log_seconds = {{1, 2}, {1, 2, 3}}, .chosen = 0}), InputError);
  EXPECT_THROW(summarise_regret({}, 0.1), InputError);
  const std::vector<RegretCase> weightless = {{.log_seconds = {{1, 2}}, .chosen = 0, .weight = 0}};
  EXPECT_THROW(summarise_regret(weightless, 0.1), InputError);
}

TEST(Regret, MeansAreWeighedAndShownProblemsNamed) {
  // The second is 20 % slower than the best without noise, and weighs three times as much.
  const double slower = std::log(1.2);
  const std::vector<RegretCase> problems = {
      {.log_seconds = {{0, 0, 0, 0}, {1, 1, 1, 1}}, .chosen = 0, .weight = 1},
      {.log_seconds = {{slower, slower, slower, slower}, {0, 0, 0, 0}}, .chosen = 0, .weight = 3}};
  const auto summary = summarise_regret(problems, std::log(1.08));
  EXPECT_NEAR(summary.cross_fitted.estimate, 0.15, 1e-12);
  EXPECT_NEAR(summary.naive.estimate, 0.15, 1e-12);
  EXPECT_NEAR(summary.naive.low, summary.cross_fitted.low, 1e-12);  // nothing is luck here
  EXPECT_NEAR(summary.naive.high, summary.cross_fitted.high, 1e-12);
  EXPECT_LT(summary.naive.low, 0.15);
  EXPECT_THAT(summary.shown, testing::ElementsAre(1));
  EXPECT_THAT(summarise_regret(problems, std::log(1.25)).shown, testing::IsEmpty());
}

/// Five kernels that are equal in truth, with 5 % noise: choosing any costs nothing. The naive figure says
/// otherwise, the cross-fitted one does not, its interval holds 0 and nothing is shown to be faster.
TEST(Regret, LuckOfMeasuringCostsNothing) {
  std::mt19937_64 random(3);
  std::normal_distribution<double> noise(0, 0.05);
  int holds = 0, alarms = 0;
  double cross_fitted = 0, naive = 0;
  constexpr int kStudies = 300;
  for (int study = 0; study < kStudies; ++study) {
    std::vector<RegretCase> problems(40);
    for (auto& problem : problems) {
      problem.log_seconds.resize(5);
      for (auto& times : problem.log_seconds) {
        for (int process = 0; process < 6; ++process) times.push_back(noise(random));
      }
    }
    const auto summary = summarise_regret(problems, 0);
    holds += summary.cross_fitted.low <= 0 && summary.cross_fitted.high >= 0;
    alarms += !summary.shown.empty();
    cross_fitted += summary.cross_fitted.estimate / kStudies;
    naive += summary.naive.estimate / kStudies;
  }
  EXPECT_NEAR(cross_fitted, 0, 0.002);
  EXPECT_GT(naive, 0.02);
  EXPECT_GE(holds, 0.92 * kStudies);
  EXPECT_LE(alarms, 0.07 * kStudies);
}

/// The truth is known: kernels of given costs and 4 % noise. On average the naive figure is above it and the
/// cross-fitted one at most it: very near where the best stands apart, below where others are as good.
TEST(Regret, TheTruthLiesBetweenTheTwoFigures) {
  std::mt19937_64 random(5);
  std::normal_distribution<double> noise(0, 0.04);
  struct Truth {
    std::vector<double> log_seconds;
    double cross_fitted_short;  ///< by how much the cross-fitted figure may fall short
  };
  const Truth truths[] = {{{0.10, 0.00, 0.30}, 1e-3},   // the best stands apart: 10 % lost
                          {{0.00, 0.15, 0.30}, 1e-3},   // it was chosen: nothing lost
                          {{0.05, 0.00, 0.01}, 0.01}};  // two are nearly as good
  for (const auto& truth : truths) {
    const double lost =
        truth.log_seconds[0] - *std::min_element(truth.log_seconds.begin(), truth.log_seconds.end());
    double cross_fitted = 0, naive = 0;
    constexpr int kStudies = 20000;
    for (int study = 0; study < kStudies; ++study) {
      RegretCase problem;
      for (const auto log_seconds : truth.log_seconds) {
        auto& times = problem.log_seconds.emplace_back();
        for (int process = 0; process < 6; ++process) times.push_back(log_seconds + noise(random));
      }
      cross_fitted += regret_of(problem).cross_fitted / kStudies;
      naive += regret_of(problem).naive / kStudies;
    }
    EXPECT_LT(cross_fitted, lost + 1e-3);
    EXPECT_GT(cross_fitted, lost - truth.cross_fitted_short);
    EXPECT_GT(naive, lost - 1e-3);
  }
}

TEST(Regret, NoiseIsHowFarTheHalvesLieApart) {
  // The chosen kernel's halves: 3 and 1, then 0 and 0.5, then 0 and 0.1.
  const std::vector<RegretCase> problems = {{.log_seconds = {{9, 9}, {3, 1}}, .chosen = 1},
                                            {.log_seconds = {{0, 0.5, 0, 0.5}}, .chosen = 0},
                                            {.log_seconds = {{0, 0.1}}, .chosen = 0}};
  EXPECT_NEAR(summarise_regret(problems, 0).half_difference, 0.5, 1e-12);
}

TEST(Regret, SlowerThanTheDefaultBeyondNoiseAlone) {
  std::mt19937_64 random(9);
  std::normal_distribution<double> noise(0, 0.01);
  const auto times = [&](double log_seconds) {
    std::vector<double> all(6);
    for (auto& time : all) time = log_seconds + noise(random);
    return all;
  };
  std::vector<RegretCase> problems;
  std::vector<std::size_t> standard;
  for (int i = 0; i < 50; ++i) {  // as fast as the default, which is kernel 0
    problems.push_back({.log_seconds = {times(0), times(0)}, .chosen = 1});
    standard.push_back(0);
  }
  EXPECT_THAT(shown_slower_than(problems, standard), testing::IsEmpty());
  problems[7].log_seconds[1] = times(0.2);
  problems[9].log_seconds[1] = times(-0.2);  // faster
  problems[11].log_seconds[0] = times(-0.2);
  problems[11].chosen = 0;  // slower than the other, but itself the default
  EXPECT_THAT(shown_slower_than(problems, standard), testing::ElementsAre(7));
}

TEST(Regret, GainOverOneChoiceByHand) {
  // Kernel 0 for both: 1 + 4; kernel 1 for both: 2 + 2, the better. The chosen ones take 1 and 2. No noise.
  std::vector<RegretCase> problems = {{.log_seconds = {{1, 1}, {2, 2}}, .chosen = 0},
                                      {.log_seconds = {{4, 4}, {2, 2}}, .chosen = 1}};
  const std::vector<std::vector<std::size_t>> fixed = {{0, 0}, {1, 1}};
  auto gain = gain_over_fixed(problems, fixed);
  EXPECT_THAT(gain.best, testing::ElementsAre(1, 1));
  EXPECT_NEAR(gain.ratio.estimate, std::exp(0.5), 1e-12);
  // Weighed, kernel 0 is the better one: 9 + 4 against 18 + 2.
  problems[0].weight = 9;
  gain = gain_over_fixed(problems, fixed);
  EXPECT_THAT(gain.best, testing::ElementsAre(0, 0));
  EXPECT_NEAR(gain.ratio.estimate, std::exp(0.2), 1e-12);
  // Even processes pick kernel 0 (0 against 1), which takes 4 in the odd ones; these pick kernel 1, 1 in the
  // even ones. The chosen kernel 0 takes 4 and 0: (0 + 1) / 2.
  const std::vector<RegretCase> noisy = {{.log_seconds = {{0, 4}, {1, 3}}, .chosen = 0}};
  const std::vector<std::vector<std::size_t>> either = {{0}, {1}};
  gain = gain_over_fixed(noisy, either);
  EXPECT_THAT(gain.best, testing::ElementsAre(0, 1));
  EXPECT_NEAR(gain.ratio.estimate, std::exp(0.5), 1e-12);
  EXPECT_THROW(gain_over_fixed({}, fixed), InputError);
  EXPECT_THROW(gain_over_fixed(noisy, {}), InputError);
}

/// One fixed choice as good as choosing gains nothing, however many there are to pick from by luck.
TEST(Regret, LuckOfMeasuringGainsNothing) {
  std::mt19937_64 random(21);
  std::normal_distribution<double> noise(0, 0.05);
  const std::vector<std::vector<std::size_t>> fixed = {
      std::vector<std::size_t>(30, 0), std::vector<std::size_t>(30, 1), std::vector<std::size_t>(30, 2)};
  double log_ratio = 0;
  int holds = 0;
  constexpr int kStudies = 300;
  for (int study = 0; study < kStudies; ++study) {
    std::vector<RegretCase> problems(30);
    for (auto& problem : problems) {
      problem.log_seconds.resize(3);
      for (auto& times : problem.log_seconds) {
        for (int process = 0; process < 4; ++process) times.push_back(noise(random));
      }
    }
    const auto gain = gain_over_fixed(problems, fixed);
    log_ratio += std::log(gain.ratio.estimate) / kStudies;
    holds += gain.ratio.low <= 1 && gain.ratio.high >= 1;
  }
  EXPECT_NEAR(log_ratio, 0, 0.002);
  EXPECT_GE(holds, 0.92 * kStudies);
}

}  // namespace
}  // namespace attnbench::stats
