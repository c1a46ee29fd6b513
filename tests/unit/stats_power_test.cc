#include <gtest/gtest.h>

#include <cmath>

#include "attnbench/error.h"
#include "stats/power.h"

namespace attnbench::stats {
namespace {

// Effect 0.5 standard deviations, n = 34: the textbook case (Cohen 1988; G*Power prints .8077775). All values
// here: scipy 1.17 stats.nct, checked against statsmodels 0.14 TTestPower.
TEST(StatsPower, NoncentralT) {
  const double half = std::exp(0.5);
  EXPECT_NEAR(power_of_ratio_test(half, 1, 34), 0.807777501279274, 1e-10);
  EXPECT_NEAR(power_of_ratio_test(half, 1, 33), 0.795365841487504, 1e-10);
  EXPECT_NEAR(power_of_ratio_test(1.02, 0.02, 10), 0.795400585807568, 1e-10);
  EXPECT_NEAR(power_of_ratio_test(1 / 1.02, 0.02, 10), 0.795400585807568, 1e-10);
  EXPECT_NEAR(power_of_ratio_test(1.02, 0.02, 2), 0.0920802835853613, 1e-10);
}

TEST(StatsPower, WithoutADifferenceItIsTheLevel) {
  EXPECT_NEAR(power_of_ratio_test(1, 0.02, 7, 0.03), 0.03, 1e-12);
}

TEST(StatsPower, HugeEffectsAreFound) {
  EXPECT_EQ(power_of_ratio_test(10, 1e-6, 2), 1);
  EXPECT_NEAR(power_of_ratio_test(10, 0.01, 30), 1, 1e-12);
}

// scipy 1.17: stats.nct, optimize.brentq.
TEST(StatsPower, SmallestDetectableRatio) {
  EXPECT_NEAR(smallest_detectable_ratio(0.02, 10), 1.02011975516509, 1e-9);
  EXPECT_NEAR(smallest_detectable_ratio(0.02, 5, 0.9, 0.001), 1.11532400552036, 1e-8);
}

TEST(StatsPower, ProcessesNeeded) {
  EXPECT_EQ(processes_needed(std::exp(0.5), 1), 34);
  EXPECT_EQ(processes_needed(1.02, 0.02), 11);
  EXPECT_EQ(processes_needed(1 / 1.02, 0.02), 11);
  EXPECT_EQ(processes_needed(1.005, 0.02), 129);
  EXPECT_EQ(processes_needed(1.2, 0.02), 3);
  EXPECT_EQ(processes_needed(1 + 1e-9, 1), std::nullopt);
}

TEST(StatsPower, RefusesBadInput) {
  EXPECT_THROW(power_of_ratio_test(0, 0.02, 10), InputError);
  EXPECT_THROW(power_of_ratio_test(1.02, 0, 10), InputError);
  EXPECT_THROW(power_of_ratio_test(1.02, 0.02, 1), InputError);
  EXPECT_THROW(power_of_ratio_test(1.02, 0.02, 10, 0), InputError);
  EXPECT_THROW(smallest_detectable_ratio(0.02, 10, 0.04), InputError);
  EXPECT_THROW(processes_needed(1, 0.02), InputError);
}

}  // namespace
}  // namespace attnbench::stats
