#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "attnbench/error.h"
#include "stats/contrast.h"
#include "stats/equivalence.h"
#include "stats/holm.h"

namespace attnbench::stats {
namespace {

const std::vector<double> kFew{.01, .03, .02, .05, .025};

// scipy 1.17: stats.ttest_1samp(kFew, 0) and (kFew, 0.02).
TEST(StatsContrast, OneSampleTTest) {
  const auto mean = estimate(sample_mean(kFew));
  EXPECT_NEAR(mean.t(), 4.07040315179981, 1e-12);
  EXPECT_NEAR(mean.two_sided_p(), 0.0152179048686209, 1e-13);
  EXPECT_NEAR(mean.two_sided_p(0.02), 0.350814814814815, 1e-13);
  EXPECT_NEAR(mean.above_p(), 0.0152179048686209 / 2, 1e-13);
  EXPECT_NEAR(mean.below_p(), 1 - 0.0152179048686209 / 2, 1e-13);
}

TEST(StatsContrast, IntervalIsThatOfTheMean) {
  const auto interval = estimate(sample_mean(kFew)).interval();
  const auto other = mean_interval(kFew);
  EXPECT_NEAR(interval.low, other.low, 1e-15);
  EXPECT_NEAR(interval.high, other.high, 1e-15);
}

TEST(StatsContrast, OneValueKnowsNoError) {
  const auto mean = estimate(sample_mean(std::vector<double>{3}));
  EXPECT_EQ(mean.value, 3);
  EXPECT_FALSE(mean.interval().is_bounded());
  EXPECT_EQ(mean.two_sided_p(), 1);
  EXPECT_EQ(mean.above_p(), 1);
  EXPECT_EQ(mean.below_p(), 1);
}

TEST(StatsContrast, EqualValuesHaveNoError) {
  const auto mean = estimate(sample_mean(std::vector<double>{2, 2, 2}));
  EXPECT_EQ(mean.two_sided_p(1), 0);
  EXPECT_EQ(mean.two_sided_p(2), 1);
  EXPECT_EQ(mean.above_p(1), 0);
  EXPECT_EQ(mean.below_p(1), 1);
}

TEST(StatsContrast, ByHand) {
  // Means 2 and 5 with variances of the mean 1 (df 2) and 4 (df 3): 3 * 2 - 5 = 1, variance 9 + 4 = 13,
  // df = 13^2 / (9^2 / 2 + 4^2 / 3).
  const auto result = contrast(std::array{SampleMean{2, 1, 2}, SampleMean{5, 4, 3}}, std::array{3.0, -1.0});
  EXPECT_DOUBLE_EQ(result.value, 1);
  EXPECT_DOUBLE_EQ(result.standard_error, std::sqrt(13.0));
  EXPECT_DOUBLE_EQ(result.df, 169 / (81 / 2.0 + 16 / 3.0));
  EXPECT_THROW(contrast(std::array{SampleMean{2, 1, 2}}, std::array{1.0, 1.0}), InputError);
}

TEST(StatsContrast, WeightZeroTakesNoPart) {
  const auto single = sample_mean(std::vector<double>{7});
  const auto result = contrast(std::array{SampleMean{2, 1, 2}, single}, std::array{1.0, 0.0});
  EXPECT_EQ(result.value, 2);
  EXPECT_EQ(result.df, 2);
}

// Two samples of unequal variance; scipy 1.17: stats.ttest_ind(a, b, equal_var=False).
TEST(StatsWelch, DifferenceOfMeans) {
  const std::vector<double> a{27.5, 21.0, 19.0, 23.6, 17.0, 17.9, 16.9, 20.1,
                              21.9, 22.6, 23.1, 19.6, 19.0, 21.7, 21.4};
  const std::vector<double> b{27.1, 22.0, 20.8, 23.4, 23.4, 23.5, 25.8, 22.0,
                              24.8, 20.2, 21.9, 22.1, 22.9, 30.5, 21.3};
  const auto welch = welch_difference(a, b);
  EXPECT_NEAR(welch.t(), -2.61757495703634, 1e-12);
  EXPECT_NEAR(welch.df, 27.9512994884411, 1e-10);
  EXPECT_NEAR(welch.two_sided_p(), 0.0141333020243278, 1e-13);
  EXPECT_NEAR(welch.interval().low, -4.68234996898397, 1e-10);
  EXPECT_NEAR(welch.interval().high, -0.570983364349368, 1e-10);
}

TEST(StatsWelch, OneProcessHasNoInterval) {
  const auto welch = welch_difference(kFew, std::vector<double>{1});
  EXPECT_FALSE(welch.interval().is_bounded());
  EXPECT_EQ(welch.two_sided_p(), 1);
  EXPECT_THROW(welch_difference(kFew, {}), InputError);
}

// scipy 1.17: the larger of stats.ttest_1samp(values, -+log(1.02), alternative=...).
TEST(StatsEquivalence, LargerOfTwoOneSidedTests) {
  const std::vector<double> values{.004, -.006, .009, .001, -.003, .005};
  EXPECT_NEAR(equivalence_p(estimate(sample_mean(values))), 0.000235919159821633, 1e-15);
  std::vector<double> negated;
  for (const double value : values) negated.push_back(-value);
  EXPECT_NEAR(equivalence_p(estimate(sample_mean(negated))), 0.000235919159821633, 1e-15)
      << "swapping kernel and baseline changes nothing";
}

TEST(StatsEquivalence, AtTheMarginIsEvenOdds) {
  // The mean is the margin itself: one test has t = 0, so p = 1/2.
  const double margin = std::log(1.02);
  EXPECT_NEAR(equivalence_p(estimate(sample_mean(std::vector<double>{margin - .001, margin + .001}))), 0.5,
              1e-12);
  EXPECT_EQ(equivalence_p(estimate(sample_mean(std::vector<double>{0}))), 1);
  EXPECT_THROW(equivalence_p({}, 0.98), InputError);
}

TEST(StatsHolm, ByHand) {
  // Sorted .005 .01 .03 .04 times 4 3 2 1: .02 .03 .06 .04, and the last not below the one before.
  const auto adjusted = holm(std::vector<double>{.01, .04, .03, .005});
  const std::vector<double> expected{.03, .06, .06, .02};
  for (std::size_t i = 0; i < expected.size(); ++i) EXPECT_NEAR(adjusted[i], expected[i], 1e-15) << i;
}

TEST(StatsHolm, NeverAboveOneAndEmptyStaysEmpty) {
  EXPECT_EQ(holm(std::vector<double>{.6, .7}), (std::vector<double>{1, 1}));
  EXPECT_TRUE(holm({}).empty());
}

TEST(StatsHolm, RefusesWhatIsNoProbability) {
  EXPECT_THROW(holm(std::vector<double>{1.1}), InputError);
  EXPECT_THROW(holm(std::vector<double>{-.1}), InputError);
  EXPECT_THROW(holm(std::vector<double>{std::numeric_limits<double>::quiet_NaN()}), InputError);
}

}  // namespace
}  // namespace attnbench::stats
