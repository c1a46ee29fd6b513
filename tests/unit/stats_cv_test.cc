#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "attnbench/error.h"
#include "stats/cv_interval.h"

namespace attnbench::stats {
namespace {

// Logarithms -1, 0, 1 hundredths: s^2 = 1e-4, 2 degrees of freedom. Chi-square with 2 degrees of freedom is
// exponential with mean 2: quantiles -2 log(0.975) = 0.0506356 and -2 log(0.025) = 7.3777589.
const std::vector<double> kLogs{-0.01, 0.0, 0.01};

double cv(double variance) { return std::sqrt(std::exp(variance) - 1); }

TEST(CvInterval, FromTheChiSquareDistribution) {
  const auto interval = cv_interval(kLogs);
  EXPECT_NEAR(interval.estimate, cv(1e-4), 1e-12);
  EXPECT_NEAR(interval.low, cv(2e-4 / 7.3777589), 1e-9);
  EXPECT_NEAR(interval.high, cv(2e-4 / 0.0506356), 1e-6);
}

// P(chi-square <= x) = 1 - exp(-x / 2).
TEST(CvInterval, PValuesOfABound) {
  const double bound = 0.02;
  const double x = 2e-4 / std::log(1 + bound * bound);
  EXPECT_NEAR(cv_below_p(kLogs, bound), 1 - std::exp(-x / 2), 1e-12);
  EXPECT_NEAR(cv_above_p(kLogs, bound), std::exp(-x / 2), 1e-12);
}

TEST(CvInterval, OneValueSaysNothing) {
  const std::vector<double> one{0.5};
  EXPECT_TRUE(std::isnan(cv_interval(one).estimate));
  EXPECT_FALSE(cv_interval(one).is_bounded());
  EXPECT_EQ(cv_below_p(one, 0.06), 1);
  EXPECT_EQ(cv_above_p(one, 0.06), 1);
}

TEST(CvInterval, RejectsBadValues) {
  EXPECT_THROW(cv_interval({}), InputError);
  EXPECT_THROW(cv_below_p(kLogs, 0), InputError);
  EXPECT_THROW(cv_above_p(kLogs, NAN), InputError);
}

}  // namespace
}  // namespace attnbench::stats
