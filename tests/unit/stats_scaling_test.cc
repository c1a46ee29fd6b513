#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "attnbench/error.h"
#include "stats/crossover.h"
#include "stats/power_law.h"
#include "stats/step_ratio.h"

namespace attnbench::stats {
namespace {

const std::vector<SizePoint> kTimes{{128, {-9, -8.9, -9.1}},
                                    {256, {-7.6, -7.5, -7.7, -7.4}},
                                    {512, {-5.9, -6.1}},
                                    {1024, {-4.2, -4.1, -4.3, -4.2, -4.2}}};

// Slope and intercept: numpy 2.4 polyfit. Interval: the weighted sum of means with scipy 1.17's t quantile at
// df 4.90714.
TEST(StatsPowerLaw, ExponentWithInterval) {
  const auto fit = fit_power_law(kTimes);
  EXPECT_NEAR(fit.exponent.estimate, 2.3010985902179, 1e-12);
  EXPECT_NEAR(fit.exponent.low, 2.21509785089722, 1e-10);
  EXPECT_NEAR(fit.exponent.high, 2.38709932953857, 1e-10);
  EXPECT_NEAR(fit.log_scale, -20.245, 1e-10);
  EXPECT_NEAR(fit.largest_residual, 0.11, 1e-10);
  EXPECT_NEAR(std::log(fit.seconds(1)), -20.245, 1e-10);
  EXPECT_NEAR(std::log(fit.seconds(128)), -20.245 + 2.3010985902179 * std::log(128.0), 1e-10);
}

TEST(StatsPowerLaw, ExactSquare) {
  const auto at = [](double n) {
    const double log = 2 * std::log(n) - 20;
    return SizePoint{n, {log - .01, log + .01}};
  };
  const auto fit = fit_power_law(std::vector<SizePoint>{at(100), at(300), at(500)});
  EXPECT_NEAR(fit.exponent.estimate, 2, 1e-12);
  EXPECT_NEAR(fit.log_scale, -20, 1e-11);
  EXPECT_NEAR(fit.largest_residual, 0, 1e-12);
}

TEST(StatsPowerLaw, TwoLengthsAgreeWithTheirStep) {
  const std::vector<SizePoint> two(kTimes.begin(), kTimes.begin() + 2);
  const auto exponent = fit_power_law(two).exponent;
  const auto step = step_ratios(two).front();
  EXPECT_NEAR(exponent.estimate, std::log2(step.ratio.estimate), 1e-12);
  EXPECT_NEAR(exponent.low, std::log2(step.ratio.low), 1e-12);
  EXPECT_NEAR(exponent.high, std::log2(step.ratio.high), 1e-12);
}

TEST(StatsPowerLaw, LengthWithOneProcessHasNoInterval) {
  EXPECT_FALSE(fit_power_law(std::vector<SizePoint>{{1, {0}}, {2, {1, 1.1}}}).exponent.is_bounded());
}

TEST(StatsPowerLaw, RefusesBadSeries) {
  EXPECT_THROW(fit_power_law(std::vector<SizePoint>{{128, {1, 2}}}), InputError);
  EXPECT_THROW(fit_power_law(std::vector<SizePoint>{{128, {1, 2}}, {128, {1, 2}}}), InputError);
  EXPECT_THROW(fit_power_law(std::vector<SizePoint>{{0, {1, 2}}, {128, {1, 2}}}), InputError);
  EXPECT_THROW(fit_power_law(std::vector<SizePoint>{{64, {}}, {128, {1, 2}}}), InputError);
  EXPECT_THROW(fit_power_law(std::vector<SizePoint>{{64, {NAN}}, {128, {1, 2}}}), InputError);
}

// scipy 1.17: exp of stats.ttest_ind(..., equal_var=False).confidence_interval().
TEST(StatsStepRatio, WelchOnLogarithms) {
  const auto steps = step_ratios(kTimes);
  ASSERT_EQ(steps.size(), 3u);
  EXPECT_EQ(steps[0].from_seqlen, 128);
  EXPECT_EQ(steps[0].to_seqlen, 256);
  EXPECT_NEAR(steps[0].ratio.estimate, 4.26311451516881, 1e-11);
  EXPECT_NEAR(steps[0].ratio.low, 3.41039749471173, 1e-10);
  EXPECT_NEAR(steps[0].ratio.high, 5.32904020649336, 1e-10);
  EXPECT_NEAR(steps[0].per_doubling.high, 5.32904020649336, 1e-10);
}

TEST(StatsStepRatio, PerDoublingTakesTheRoot) {
  const std::vector<SizePoint> quadrupled{{100, {0, 0}}, {400, {std::log(9), std::log(9)}}};
  const auto step = step_ratios(quadrupled).front();
  EXPECT_NEAR(step.ratio.estimate, 9, 1e-12);
  EXPECT_NEAR(step.per_doubling.estimate, 3, 1e-12);
}

const SizePoint kSlower{256, {-.21, -.19, -.2, -.22, -.18}};

// Roots of |interpolated mean| = t se by scipy 1.17 optimize.brentq.
TEST(StatsCrossover, BetweenTwoLengths) {
  const auto result = find_crossover(std::vector<SizePoint>{kSlower, {512, {.11, .09, .08, .12}}});
  ASSERT_EQ(result.estimates.size(), 1u);
  EXPECT_NEAR(result.estimates[0], 406.374669303859, 1e-8);  // 256 * 2^(2/3)
  ASSERT_EQ(result.ranges.size(), 1u);
  EXPECT_NEAR(result.ranges[0].low, 391.065262059015, 1e-7);
  EXPECT_NEAR(result.ranges[0].high, 426.155979043845, 1e-7);
  EXPECT_FALSE(result.ranges[0].open_low);
  EXPECT_FALSE(result.ranges[0].open_high);
}

TEST(StatsCrossover, OpenWhereTheLastLengthIsUnresolved) {
  const std::vector<SizePoint> series{kSlower, {512, {.1, -.02, .08}}};
  const auto result = find_crossover(series);
  ASSERT_EQ(result.ranges.size(), 1u);
  EXPECT_NEAR(result.ranges[0].low, 360.375662932974, 1e-7);
  EXPECT_EQ(result.ranges[0].high, 512);
  EXPECT_TRUE(result.ranges[0].open_high);
  EXPECT_FALSE(result.ranges[0].open_low);
}

TEST(StatsCrossover, OpenWhereTheFirstLengthIsUnresolved) {
  const auto result = find_crossover(std::vector<SizePoint>{{128, {.01, -.02, .03}}, {256, {.2, .21, .19}}});
  ASSERT_EQ(result.ranges.size(), 1u);
  EXPECT_EQ(result.ranges[0].low, 128);
  EXPECT_TRUE(result.ranges[0].open_low);
  EXPECT_FALSE(result.ranges[0].open_high);
}

TEST(StatsCrossover, NoneWhereOneIsAlwaysFaster) {
  const auto result = find_crossover(std::vector<SizePoint>{{128, {.1, .11}}, {256, {.2, .21}}});
  EXPECT_TRUE(result.estimates.empty());
  EXPECT_TRUE(result.ranges.empty());
}

TEST(StatsCrossover, ThereAndBack) {
  const auto at = [](double n, double mean) { return SizePoint{n, {mean - .001, mean, mean + .001}}; };
  const auto result =
      find_crossover(std::vector<SizePoint>{at(128, -.1), at(256, .1), at(512, .1), at(1024, -.1)});
  ASSERT_EQ(result.estimates.size(), 2u);
  EXPECT_NEAR(result.estimates[0], 128 * std::sqrt(2.0), 1e-9);
  EXPECT_NEAR(result.estimates[1], 512 * std::sqrt(2.0), 1e-9);
  ASSERT_EQ(result.ranges.size(), 2u);
  EXPECT_LT(result.ranges[0].high, 256);
  EXPECT_GT(result.ranges[1].low, 512);
}

TEST(StatsCrossover, NarrowRangesAreFound) {
  const auto at = [](double n, double mean) { return SizePoint{n, {mean - 1e-9, mean, mean + 1e-9}}; };
  const auto result = find_crossover(std::vector<SizePoint>{at(100, -1), at(1000, 1.7)});
  ASSERT_EQ(result.ranges.size(), 1u);
  EXPECT_LE(result.ranges[0].low, result.estimates[0]);
  EXPECT_GE(result.ranges[0].high, result.estimates[0]);
  EXPECT_NEAR(result.ranges[0].high / result.ranges[0].low, 1, 1e-6);
}

TEST(StatsCrossover, OneProcessLeavesEverythingOpen) {
  const auto result = find_crossover(std::vector<SizePoint>{{128, {-.3}}, {256, {.2}}});
  ASSERT_EQ(result.ranges.size(), 1u);
  EXPECT_TRUE(result.ranges[0].open_low);
  EXPECT_TRUE(result.ranges[0].open_high);
  EXPECT_THROW(find_crossover({}), InputError);
}

}  // namespace
}  // namespace attnbench::stats
