// The wide interval of a contrast whose samples have modes, by hand.
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "stats/guarded_contrast.h"
#include "stats/modes.h"

namespace attnbench::stats {
namespace {

// Two groups of five: the median's interval, second to ninth value, is wider than t's.
const std::vector<double> kGroups{-0.0302, -0.0301, -0.03, -0.0299, -0.0298,
                                  0.0298,  0.0299,  0.03,  0.0301,  0.0302};
const std::vector<double> kSteady{0.1, 0.101, 0.102, 0.103, 0.104, 0.105, 0.106, 0.107, 0.108, 0.109};

TEST(GuardedContrast, OfOneSampleIsItsIntervalWithModes) {
  const auto one = guarded_mean(kGroups);
  ASSERT_TRUE(one.with_modes.has_value());
  EXPECT_NEAR(one.interval().low, -0.0301, 1e-12);
  EXPECT_NEAR(one.interval().high, interval_with_modes(kGroups).high, 1e-15);
  EXPECT_FALSE(guarded_mean(kSteady).with_modes.has_value());
}

// t itself, 0.0226 either way, would show that the mean is below 0.025.
TEST(GuardedContrast, ShowsASideOnlyByTheWholeInterval) {
  const auto one = guarded_mean(kGroups);
  EXPECT_LT(one.estimate.below_p(0.025), 0.05);
  EXPECT_EQ(one.below_p(0.025), 1);
  EXPECT_EQ(one.above_p(-0.025), 1);
  EXPECT_LT(one.below_p(0.031), 0.05);
}

// Steady less the groups: 0.1045 - 0; distances 2.262157 x 0.003027650 / sqrt(10) = 0.0021659 and 0.0301.
TEST(GuardedContrast, AddsDistancesInQuadrature) {
  const std::array samples{kSteady, kGroups};
  const auto difference = guarded_contrast(samples, std::array{1.0, -1.0});
  const double distance = std::hypot(0.0021659, 0.0301);
  EXPECT_NEAR(difference.interval().low, 0.1045 - distance, 1e-6);
  EXPECT_NEAR(difference.interval().high, 0.1045 + distance, 1e-6);
  EXPECT_NEAR(difference.negated().interval().low, -0.1045 - distance, 1e-6);
  // What has no weight takes no part.
  EXPECT_FALSE(guarded_contrast(samples, std::array{1.0, 0.0}).with_modes.has_value());
}

}  // namespace
}  // namespace attnbench::stats
