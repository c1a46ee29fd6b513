#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "attnbench/error.h"
#include "stats/median_interval.h"

namespace attnbench::stats {
namespace {

std::vector<double> one_to(int n) {
  std::vector<double> values(static_cast<std::size_t>(n));
  std::iota(values.begin(), values.end(), 1.0);
  return values;
}

struct Row {
  int n, low, high;
  double confidence;
};

// Sums of binomial coefficients by hand: n = 6: 1 - 2/2^6; 9: 1 - 2 (1 + 9)/2^9; 10: 1 - 2 (1 + 10)/2^10;
// 15 and 30: scipy 1.17 stats.binom.
TEST(StatsMedian, OrderStatisticsAndExactConfidence) {
  for (const auto& row :
       {Row{6, 1, 6, 0.96875}, Row{8, 1, 8, 1 - 2.0 / 256}, Row{9, 2, 8, 0.9609375},
        Row{10, 2, 9, 0.978515625}, Row{15, 4, 12, 0.96484375}, Row{30, 10, 21, 0.9572260547429323}}) {
    const auto result = median_interval(one_to(row.n));
    EXPECT_EQ(result.interval.low, row.low) << row.n;
    EXPECT_EQ(result.interval.high, row.high) << row.n;
    EXPECT_NEAR(result.confidence, row.confidence, 1e-14) << row.n;
    EXPECT_EQ(result.interval.estimate, (row.n + 1) / 2.0) << row.n;
  }
}

TEST(StatsMedian, OrderDoesNotMatter) {
  const auto result = median_interval(std::vector<double>{5, 1, 6, 3, 2, 4});
  EXPECT_EQ(result.interval.low, 1);
  EXPECT_EQ(result.interval.high, 6);
}

TEST(StatsMedian, NoIntervalBelowSix) {
  for (const int n : {0, 1, 2, 5}) {
    const auto result = median_interval(one_to(n));
    EXPECT_FALSE(result.interval.is_bounded()) << n;
    EXPECT_EQ(result.confidence, 0) << n;
  }
  EXPECT_EQ(median_interval(one_to(5)).interval.estimate, 3);
}

TEST(StatsMedian, MedianAbsoluteDeviationByHand) {
  // Median 2; deviations 1 1 0 0 2 4 7, sorted 0 0 1 1 2 4 7: median 1.
  EXPECT_EQ(median_absolute_deviation(std::vector<double>{1, 1, 2, 2, 4, 6, 9}), 1);
  EXPECT_TRUE(std::isnan(median_absolute_deviation({})));
}

TEST(StatsMedian, RefusesNaN) {
  EXPECT_THROW(median_interval(std::vector<double>{1, std::numeric_limits<double>::quiet_NaN()}), InputError);
}

}  // namespace
}  // namespace attnbench::stats
