#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "attnbench/error.h"
#include "stats/modes.h"

namespace attnbench::stats {
namespace {

constexpr double kInf = std::numeric_limits<double>::infinity();

using Values = std::vector<double>;

// By hand: 0 2 | 10 12 leaves 2 + 2 within, over n - 2 = 2; 1 2 3 | 100 leaves 2 within.
TEST(StatsModes, GapOverTheSpreadWithinBothSides) {
  EXPECT_NEAR(gap_statistic(Values{10, 0, 12, 2}), 8 / std::sqrt(2.0), 1e-14);
  EXPECT_NEAR(gap_statistic(Values{100, 1, 2, 3}), 97, 1e-12);
  // 0 1 3 | 7: 16/9 + 1/9 + 25/9 = 14/3 within, over 2.
  EXPECT_NEAR(gap_statistic(Values{0, 1, 3, 7}), 4 / std::sqrt(7.0 / 3), 1e-14);
}

TEST(StatsModes, ScaleAndPlaceDoNotMatter) {
  EXPECT_NEAR(gap_statistic(Values{-3e-3, -5e-3, 5e-3, 7e-3}), 8 / std::sqrt(2.0), 1e-11);
}

TEST(StatsModes, NothingBetweenTheGroups) {
  EXPECT_EQ(gap_statistic(Values{0, 1, 0, 1, 1}), kInf);
  EXPECT_TRUE(has_modes(Values{0, 1, 0, 1, 1}));
  EXPECT_EQ(gap_statistic(Values{2, 2, 2, 2, 2}), 0);
  EXPECT_EQ(gap_statistic(Values{2, 2 + 1e-15, 2, 2, 2}), 0) << "a difference of rounding";
  EXPECT_EQ(gap_statistic(Values{0, .0049, 0, .0049, .0049}), 0) << "less than 0.5 % apart";
  EXPECT_EQ(gap_statistic(Values{0, .0051, 0, .0051, .0051}), kInf);
  EXPECT_EQ(gap_statistic(Values{0, 1}), 0);
  EXPECT_EQ(gap_statistic(Values{}), 0);
}

TEST(StatsModes, CriticalGaps) {
  EXPECT_EQ(critical_gap(4), kInf);
  EXPECT_EQ(critical_gap(5), 8.783);
  EXPECT_EQ(critical_gap(10), 3.545);
  EXPECT_EQ(critical_gap(30), 1.881);
  EXPECT_NEAR(critical_gap(35), (1.881 + 1.733) / 2, 1e-12);
  EXPECT_EQ(critical_gap(1000), 1.449);
}

// Log-ratios of causal_linear/cumsum, N = 128, on 14 cores of a Xeon, less their median: two processes at
// -0.6. The gap is 0.535; within: 0.00092 and 0.03459, over 10; 0.535 / 0.0596 = 8.98.
TEST(StatsModes, TwoSlowProcessesOfTwelveAreSeen) {
  const Values logs{-.606, -.563, -.028, -.027, -.021, -.005, .005, .02, .035, .05, .075, .175};
  EXPECT_NEAR(gap_statistic(logs), 8.98, 0.01);
  EXPECT_TRUE(has_modes(logs));
  const Values others(logs.begin() + 2, logs.end() - 1);
  EXPECT_FALSE(has_modes(others));
  EXPECT_FALSE(has_modes(Values{0, 0, 1, 1})) << "too few to tell";
}

// By hand: ten values, five of each: mean 0.5, s^2 = 2.5 / 9, t(9) = 2.2622; the median's interval reaches
// from the second to the ninth.
TEST(StatsModes, IntervalHoldsMeanAndMedian) {
  const auto two = interval_with_modes(Values{0, 0, 0, 0, 0, 1, 1, 1, 1, 1});
  EXPECT_EQ(two.estimate, 0.5);
  EXPECT_EQ(two.low, 0);
  EXPECT_EQ(two.high, 1);
  // One of ten: mean 0.1, s / sqrt(10) = 0.1; below the t interval decides, and above, where x(9) is 0.
  const auto one = interval_with_modes(Values{0, 0, 0, 0, 0, 0, 0, 0, 0, 1});
  EXPECT_NEAR(one.low, 0.1 - 0.226216, 1e-6);
  EXPECT_NEAR(one.high, 0.1 + 0.226216, 1e-6);
}

// Five have no order statistics with 95 %: the extremes. Mean 0.2, s / sqrt(5) = 0.2, t(4) = 2.7764.
TEST(StatsModes, IntervalOfFewReachesTheExtremes) {
  const auto five = interval_with_modes(Values{0, 0, 0, 0, 1});
  EXPECT_NEAR(five.low, 0.2 - 0.555289, 1e-6);
  EXPECT_EQ(five.high, 1);
  EXPECT_FALSE(interval_with_modes(Values{1}).is_bounded());
}

TEST(StatsModes, WhatIsShownIsWideOnlyWithModes) {
  const Values even{1, 2, 3, 4, 5};
  EXPECT_EQ(process_interval(even).low, mean_interval(even).low);
  const Values two{0, 0, 0, 0, 0, 1, 1, 1, 1, 1};
  EXPECT_EQ(process_interval(two).low, 0);
}

// 0.95 = 1 - (1 - share)^n.
TEST(StatsModes, ShareNotExcluded) {
  EXPECT_NEAR(share_not_excluded(10), 0.258866, 1e-6);
  EXPECT_NEAR(share_not_excluded(1), 0.95, 1e-12);
  EXPECT_NEAR(std::pow(1 - share_not_excluded(30), 30), 0.05, 1e-12);
  EXPECT_EQ(share_not_excluded(0), 1);
}

TEST(StatsModes, RefusesWhatIsNotFinite) {
  EXPECT_THROW(gap_statistic(Values{1, kInf, 2}), InputError);
  EXPECT_THROW(interval_with_modes(Values{1, std::nan(""), 2}), InputError);
}

}  // namespace
}  // namespace attnbench::stats
