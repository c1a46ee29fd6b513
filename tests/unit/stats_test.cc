#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "attnbench/error.h"
#include "stats/process_value.h"
#include "stats/quantiles.h"

namespace attnbench::stats {
namespace {

// 0.975 quantiles from mpmath 1.3: the density integrated numerically at 30 digits and inverted.
TEST(Stats, StudentQuantiles) {
  EXPECT_NEAR(t_quantile(0.975, 1), 12.7062047361747, 1e-11);
  EXPECT_NEAR(t_quantile(0.975, 2), 4.30265272974946, 1e-12);
  EXPECT_NEAR(t_quantile(0.975, 4), 2.77644510519780, 1e-12);
  EXPECT_NEAR(t_quantile(0.975, 29), 2.04522964213270, 1e-12);
}

TEST(Stats, MomentsByHand) {
  const std::vector<double> values{2, 4, 4, 4, 5, 5, 7, 9};  // squares about 5 sum to 32
  EXPECT_DOUBLE_EQ(mean(values), 5);
  EXPECT_DOUBLE_EQ(standard_deviation(values), std::sqrt(32.0 / 7));
  EXPECT_DOUBLE_EQ(coefficient_of_variation(values), std::sqrt(32.0 / 7) / 5);
}

TEST(Stats, MedianOfOddEvenAndUnsorted) {
  EXPECT_EQ(median(std::vector<double>{9, 1, 4}), 4);
  EXPECT_EQ(median(std::vector<double>{8, 1, 4, 2}), 3);
  EXPECT_TRUE(std::isnan(median({})));
}

TEST(Stats, MeanIntervalByHand) {
  const std::vector<double> values{1, 2, 3, 4, 5};  // s = sqrt(2.5), s / sqrt(5) = sqrt(0.5), df = 4
  const auto interval = mean_interval(values);
  EXPECT_DOUBLE_EQ(interval.estimate, 3);
  EXPECT_NEAR(interval.low, 3 - 2.77644510519780 * std::sqrt(0.5), 1e-12);
  EXPECT_NEAR(interval.high, 3 + 2.77644510519780 * std::sqrt(0.5), 1e-12);
}

TEST(Stats, OneProcessHasNoInterval) {
  const auto latency = mean_interval(std::vector<double>{0.25});
  EXPECT_EQ(latency.estimate, 0.25);
  EXPECT_FALSE(latency.is_bounded());
  EXPECT_FALSE(time_interval(std::vector<double>{0.25}).is_bounded());
  const auto ratio = ratio_interval(std::vector<double>{std::log(2.0)});
  EXPECT_DOUBLE_EQ(ratio.estimate, 2);
  EXPECT_EQ(ratio.low, 0);
  EXPECT_TRUE(std::isinf(ratio.high));
}

// Medians 6 and 2: the quotient of what is shown, not the median 2 of the quotients 1/2, 4, 2.
TEST(Stats, AProcessIsTheMedianOfItsBlocks) {
  const std::vector<double> baseline{1, 8, 6};
  const std::vector<double> kernel{2, 2, 3};
  EXPECT_EQ(process_seconds(baseline), 6);
  EXPECT_DOUBLE_EQ(process_log_ratio(baseline, kernel), std::log(3.0));
  EXPECT_DOUBLE_EQ(process_log_ratio(kernel, baseline), -std::log(3.0));
  EXPECT_EQ(process_seconds(std::vector<double>{1, 1, 1e300}), 1) << "one disturbed block";
}

// Times 1, 2, 4 s: geometric mean 2; logs -ln 2, 0, ln 2 about it: s = ln 2, s / sqrt 3, t(2) = 4.302653,
// times sqrt 2 for the correlation of neighbours.
TEST(Stats, TimeIntervalByHand) {
  const auto time = time_interval(std::vector<double>{0, std::log(2.0), std::log(4.0)});
  EXPECT_NEAR(time.estimate, 2, 1e-12);
  EXPECT_NEAR(std::log2(time.high), 1 + 4.30265272974946 * std::sqrt(2 / 3.0), 1e-9);
  EXPECT_NEAR(std::log2(time.low), 1 - 4.30265272974946 * std::sqrt(2 / 3.0), 1e-9);
}

TEST(Stats, RefusesTimesThatAreNone) {
  EXPECT_THROW(process_seconds(std::vector<double>{1, 0}), InputError);
  EXPECT_THROW(process_log_ratio(std::vector<double>{-1, 1}, std::vector<double>{1, 1}), InputError);
  EXPECT_THROW(process_log_ratio(std::vector<double>{1}, std::vector<double>{NAN}), InputError);
  EXPECT_THROW(mean_interval(std::vector<double>{1, 2, INFINITY}), InputError);
  EXPECT_THROW(ratio_interval(std::vector<double>{NAN}), InputError);
  try {
    mean_interval(std::vector<double>{1, NAN});
    FAIL();
  } catch (const InputError& error) {
    EXPECT_STREQ(error.what(), "value: 'nan' is not a finite number");
  }
}

TEST(Stats, RatioIntervalByHand) {
  // Logs 0 and ln 4: mean ln 2, s = ln 4 / sqrt 2, s / sqrt 2 = ln 2, so the bounds are 2 * 2^(+-t).
  const auto ratio = ratio_interval(std::vector<double>{0, std::log(4.0)});
  EXPECT_NEAR(ratio.estimate, 2, 1e-12);
  EXPECT_NEAR(std::log2(ratio.low), 1 - 12.7062047361747, 1e-9);
  EXPECT_NEAR(std::log2(ratio.high), 1 + 12.7062047361747, 1e-9);
}

}  // namespace
}  // namespace attnbench::stats
