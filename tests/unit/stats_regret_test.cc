// Regret of choices, by hand and on simulated problems of known truth.
#include <gmock/gmock.h>

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
  EXPECT_NEAR(summary.naive, 0.15, 1e-12);
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
    naive += summary.naive / kStudies;
  }
  EXPECT_NEAR(cross_fitted, 0, 0.002);
  EXPECT_GT(naive, 0.02);
  EXPECT_GE(holds, 0.92 * kStudies);
  EXPECT_LE(alarms, 0.07 * kStudies);
}

}  // namespace
}  // namespace attnbench::stats
