#include <gtest/gtest.h>

#include <vector>

#include "attnbench/error.h"
#include "stats/fieller.h"

namespace attnbench::stats {
namespace {

// Bounds: numpy 2.4 and scipy 1.17, the test itself inverted by root finding (no quadratic), t at
// Satterthwaite's df: |y - r x| / sqrt(Vy + r^2 Vx) = t.
TEST(StatsFieller, Interval) {
  const auto set =
      fieller(std::vector<double>{12, 15, 11, 14, 13}, std::vector<double>{10, 9, 11, 10, 8, 12});
  EXPECT_EQ(set.kind, FiellerSet::Kind::kInterval);
  EXPECT_DOUBLE_EQ(set.estimate, 1.3);
  EXPECT_NEAR(set.low, 1.08611560412941, 1e-11);
  EXPECT_NEAR(set.high, 1.5590421333317, 1e-11);
  EXPECT_TRUE(set.interval().is_bounded());
}

TEST(StatsFieller, DenominatorNearZeroExcludesAnInterval) {
  const auto set = fieller(std::vector<double>{4, 5, 6, 5}, std::vector<double>{0.1, 2.9, 1.0});
  EXPECT_EQ(set.kind, FiellerSet::Kind::kComplement);
  EXPECT_NEAR(set.estimate, 3.75, 1e-14);
  EXPECT_NEAR(set.low, -2.28862168338101, 1e-10);
  EXPECT_NEAR(set.high, 0.961462711881662, 1e-11);
  EXPECT_FALSE(set.interval().is_bounded());
}

TEST(StatsFieller, BothNearZeroExcludeNothing) {
  const auto set = fieller(std::vector<double>{0.1, 9.0, 1.0}, std::vector<double>{0.1, 2.9, 1.0});
  EXPECT_EQ(set.kind, FiellerSet::Kind::kEverything);
  EXPECT_FALSE(set.interval().is_bounded());
}

TEST(StatsFieller, SwappingGivesTheReciprocal) {
  const std::vector<double> a{12, 15, 11, 14, 13};
  const std::vector<double> b{10, 9, 11, 10, 8, 12};
  const auto forth = fieller(a, b);
  const auto back = fieller(b, a);
  EXPECT_NEAR(back.low, 1 / forth.high, 1e-12);
  EXPECT_NEAR(back.high, 1 / forth.low, 1e-12);
}

TEST(StatsFieller, OneProcessOrNoTime) {
  EXPECT_EQ(fieller(std::vector<double>{1}, std::vector<double>{1, 2}).kind, FiellerSet::Kind::kEverything);
  EXPECT_EQ(fieller(std::vector<double>{1, 2}, std::vector<double>{1}).kind, FiellerSet::Kind::kEverything);
  EXPECT_THROW(fieller({}, std::vector<double>{1, 2}), InputError);
  EXPECT_THROW(fieller(std::vector<double>{1, 0}, std::vector<double>{1, 2}), InputError);
}

}  // namespace
}  // namespace attnbench::stats
