#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "attnbench/error.h"
#include "stats/variance_components.h"

namespace attnbench::stats {
namespace {

// Shrout and Fleiss 1979, "Intraclass Correlations", tables 1 to 4: BMS 11.24, WMS 6.26, ICC(1,1) = .17.
TEST(StatsVariance, PublishedWorkedExample) {
  const std::vector<std::vector<double>> ratings{{9, 2, 5, 8}, {6, 1, 3, 2},  {8, 4, 6, 8},
                                                 {7, 1, 2, 6}, {10, 5, 6, 9}, {6, 2, 4, 7}};
  const auto result = variance_components(ratings);
  ASSERT_TRUE(result);
  EXPECT_NEAR(result->within, 6.26, 0.005);
  EXPECT_NEAR(result->within + 4 * result->between, 11.24, 0.005);
  EXPECT_NEAR(result->intraclass_correlation(), 448.0 / 2703, 1e-14);  // mean squares 1349/120 and 451/72
  EXPECT_NEAR(result->design_effect(), 1 + 3 * 448.0 / 2703, 1e-13);
  EXPECT_EQ(result->blocks, 4);
  EXPECT_EQ(result->processes, 6u);
}

TEST(StatsVariance, ProcessesOfDifferentLengthByHand) {
  // Means 2, 5, 11.5; grand mean 64/9. Squares within 2 + 2 + 5 = 9 on 6 df; between 163.8889 on 2 df;
  // n0 = (9 - 29/9) / 2 = 26/9.
  const std::vector<std::vector<double>> processes{{1, 2, 3}, {4, 6}, {10, 11, 12, 13}};
  const auto result = variance_components(processes);
  ASSERT_TRUE(result);
  EXPECT_DOUBLE_EQ(result->blocks, 26.0 / 9);
  EXPECT_DOUBLE_EQ(result->within, 1.5);
  EXPECT_NEAR(result->between, 27.846153846153847, 1e-12);
  EXPECT_DOUBLE_EQ(result->mean, 18.5 / 3);
  EXPECT_NEAR(result->cv_within(), std::sqrt(1.5) / (18.5 / 3), 1e-14);
  EXPECT_NEAR(result->cv_between(), std::sqrt(27.846153846153847) / (18.5 / 3), 1e-13);
}

TEST(StatsVariance, EqualProcessesHaveNoVarianceBetween) {
  const std::vector<std::vector<double>> processes{{1, 3}, {3, 1}};  // mean squares 0 and 2: estimate below 0
  const auto result = variance_components(processes);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->between, 0);
  EXPECT_EQ(result->intraclass_correlation(), 0);
  EXPECT_EQ(result->design_effect(), 1);
}

TEST(StatsVariance, BlocksThatAllAgreeCountAsOne) {
  const std::vector<std::vector<double>> processes{{1, 1, 1}, {2, 2, 2}};
  const auto result = variance_components(processes);
  ASSERT_TRUE(result);
  EXPECT_EQ(result->intraclass_correlation(), 1);
  EXPECT_EQ(result->design_effect(), 3);
}

TEST(StatsVariance, NothingWhereNothingCanBeKnown) {
  EXPECT_FALSE(variance_components(std::vector<std::vector<double>>{{1, 2, 3}}));
  EXPECT_FALSE(variance_components(std::vector<std::vector<double>>{{1}, {2}}));
  EXPECT_FALSE(variance_components({}));
  EXPECT_THROW(variance_components(std::vector<std::vector<double>>{{1, 2}, {}}), InputError);
  EXPECT_THROW(variance_components(std::vector<std::vector<double>>{{1, 2}, {NAN, 1}}), InputError);
}

}  // namespace
}  // namespace attnbench::stats
