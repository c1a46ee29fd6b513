#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "stats/quantiles.h"

namespace attnbench::stats {
namespace {

// One degree of freedom is Cauchy's distribution, two have a square root.
TEST(Quantiles, StudentsTHasItsClosedForms) {
  EXPECT_NEAR(t_quantile(0.75, 1), 1, 1e-14);
  EXPECT_NEAR(t_quantile(0.9, 1), std::tan(0.4 * std::numbers::pi), 1e-13);
  EXPECT_NEAR(t_upper_tail(1, 1), 0.25, 1e-15);
  EXPECT_NEAR(t_upper_tail(2, 2), 0.5 - 1 / std::sqrt(6.0), 1e-15);
  EXPECT_NEAR(t_upper_tail(-2, 2), 0.5 + 1 / std::sqrt(6.0), 1e-15);
}

TEST(Quantiles, StudentsTKeepsSmallTails) {
  // 1 / (pi t) (1 - 1 / (3 t^2)) of Cauchy's distribution.
  EXPECT_NEAR(t_upper_tail(1e20, 1) * 1e20 * std::numbers::pi, 1, 1e-12);
}

TEST(Quantiles, ChiSquareWithTwoDegreesIsExponential) {
  EXPECT_NEAR(chi_squared_cdf(3, 2), 1 - std::exp(-1.5), 1e-15);
  EXPECT_NEAR(chi_squared_quantile(0.95, 2), -2 * std::log(0.05), 1e-12);
  EXPECT_NEAR(chi_squared_upper_tail(3, 2), std::exp(-1.5), 1e-15);
  EXPECT_NEAR(chi_squared_upper_tail(600, 2) / std::exp(-300), 1, 1e-12);
}

TEST(Quantiles, NoncentralTIsTheCentralOneMoved) {
  EXPECT_NEAR(noncentral_t_cdf(1, 1, 0), 0.75, 1e-14);
  EXPECT_NEAR(noncentral_t_upper_tail(1, 1, 0), 0.25, 1e-14);
  // P(T <= 0) is the normal P(Z <= -noncentrality), whatever df.
  EXPECT_NEAR(noncentral_t_cdf(0, 7, 1.5), 0.5 * std::erfc(1.5 / std::numbers::sqrt2), 1e-14);
  EXPECT_NEAR(noncentral_t_cdf(0.7, 7, 1.5) + noncentral_t_upper_tail(0.7, 7, 1.5), 1, 1e-13);
}

TEST(Quantiles, CoinsAreCounted) {
  EXPECT_NEAR(coin_cdf(0, 3), 1.0 / 8, 1e-16);
  EXPECT_NEAR(coin_cdf(1, 3), 4.0 / 8, 1e-15);
  EXPECT_NEAR(coin_cdf(5, 6), 63.0 / 64, 1e-15);
}

}  // namespace
}  // namespace attnbench::stats
