// The cost model and the choice by time, from synthetic costs of known truth.
#include <gmock/gmock.h>

#include <cmath>
#include <optional>
#include <random>
#include <vector>

#include "dispatch/cost_model.h"
#include "tune/worth.h"

namespace attnbench {
namespace {

/// A point of a kernel that takes 2 us, and 1e-11 s a FLOP, and 1e-10 s a byte, times exp(miss).
CostPoint point_at(double log2_n, double log2_heads, double miss = 0, double log_error = 0.005) {
  CostPoint point;
  const double n = std::exp2(log2_n), heads = std::exp2(log2_heads);
  point.work = {256 * heads * n * n, 256 * heads * n * n, 1024 * heads * n};
  point.at = {log2_n, log2_n, log2_heads, 6};
  point.log_seconds = std::log(2e-6 + 1e-11 * point.work.useful_flops + 1e-10 * point.work.bytes) + miss;
  point.log_error = log_error;
  return point;
}

std::vector<CostPoint> grid(double miss = 0) {
  std::vector<CostPoint> points;
  for (int n = 4; n <= 12; n += 2) {
    for (int heads = 0; heads <= 6; heads += 3) points.push_back(point_at(n, heads, miss));
  }
  return points;
}

TEST(CostTrend, FindsTheTermsOfExactTimes) {
  auto points = grid();
  // A mask, and a kernel that computes part of what it hides.
  for (std::size_t i = 0; i < points.size(); ++i) {
    auto& point = points[i];
    point.work.useful_flops = 1e6 * std::exp2(static_cast<double>(i % 5));
    point.log_seconds = std::log(2e-6 + 3e-11 * point.work.useful_flops + 1e-11 * point.work.dense_flops +
                                 1e-10 * point.work.bytes);
  }
  const auto trend = fit_trend(points);
  EXPECT_NEAR(trend.fixed, 2e-6, 1e-12);
  EXPECT_NEAR(trend.per_useful_flop, 3e-11, 1e-17);
  EXPECT_NEAR(trend.per_dense_flop, 1e-11, 1e-17);
  EXPECT_NEAR(trend.per_byte, 1e-10, 1e-15);
}

TEST(CostTrend, TermsThatCannotBeToldApartCountOnce) {
  const auto trend = fit_trend(grid());
  EXPECT_NEAR(trend.fixed, 2e-6, 1e-12);
  EXPECT_NEAR(trend.per_useful_flop + trend.per_dense_flop, 1e-11, 1e-17);
  EXPECT_NEAR(trend.per_byte, 1e-10, 1e-15);
}

TEST(CostTrend, HasNoNegativeTerm) {
  // Faster than linear in FLOPs at first and constant in bytes: unrestricted, a term would be negative.
  std::vector<CostPoint> points;
  for (int i = 0; i < 6; ++i) {
    CostPoint point;
    point.work.useful_flops = std::exp2(i);
    point.work.bytes = 1;
    point.log_seconds = 1.2 * i * std::log(2.0);
    points.push_back(point);
  }
  const auto trend = fit_trend(points);
  EXPECT_GE(trend.fixed, 0);
  EXPECT_GE(trend.per_byte, 0);
  EXPECT_GT(trend.per_useful_flop, 0);
}

TEST(CostTrend, OneAndTwoPointsAreMet) {
  for (const std::size_t count : {1u, 2u}) {
    std::vector<CostPoint> points = {point_at(6, 3), point_at(10, 3)};
    points.resize(count);
    const auto trend = fit_trend(points);
    for (const auto& point : points)
      EXPECT_NEAR(std::log(trend.seconds(point.work)), point.log_seconds, 1e-6) << count;
  }
}

TEST(CostTrend, KernelsWithoutWorkTakeAConstant) {
  CostPoint point;
  point.log_seconds = std::log(3e-6);
  const std::vector<CostPoint> points = {point, point};
  EXPECT_NEAR(fit_trend(points).seconds({}), 3e-6, 1e-12);
}

TEST(CostModel, GivesBackWhatWasMeasured) {
  auto points = grid();
  points[4].log_seconds += 0.3;  // a cliff that no trend has
  const CostModel model(points);
  for (const auto& point : points) {
    const auto at = model.predict(point.work, point.at);
    EXPECT_NEAR(at.log_seconds, point.log_seconds, 0.02);
    EXPECT_LT(at.log_error, 0.01);
  }
}

TEST(CostModel, IsLessSureBetweenPointsAndLeastBeyondThem) {
  auto points = grid();
  for (std::size_t i = 0; i < points.size(); ++i) points[i].log_seconds += i % 2 == 0 ? 0.1 : -0.1;
  const CostModel model(points);
  const auto error = [&](double n, double heads) {
    const auto point = point_at(n, heads);
    return model.predict(point.work, point.at).log_error;
  };
  EXPECT_LT(error(8, 3), error(9, 3));
  EXPECT_LT(error(9, 3), error(15, 9));
}

TEST(CostModel, CoversAnOctaveAroundItsPoints) {
  const CostModel model(grid());  // log2 n from 4 to 12, log2 heads from 0 to 6
  EXPECT_TRUE(model.covers({4, 12, 0, 6}));
  EXPECT_TRUE(model.covers({3, 13, 7, 7}));
  EXPECT_FALSE(model.covers({2.9, 12, 0, 6}));
  EXPECT_FALSE(model.covers({4, 13.1, 0, 6}));
  EXPECT_FALSE(model.covers({4, 12, 7.1, 6}));
  EXPECT_FALSE(model.covers({4, 12, 0, 4.9}));
  EXPECT_FALSE(model.covers({4, 12, 0, NAN}));
}

/// Kernels of known truth: the trend of point_at() with a smooth bend over N and heads that no trend has,
/// measured with 2 % error. Of the intervals between the points, how many hold the truth?
TEST(CostModel, IntervalsBetweenPointsHoldTheTruth) {
  std::mt19937_64 random(7);
  std::normal_distribution<double> normal;
  std::uniform_real_distribution<double> uniform;
  int inside = 0, all = 0;
  double squares = 0, errors = 0;
  for (int kernel = 0; kernel < 60; ++kernel) {
    const double height = 0.2 * normal(random), phase = 6.28 * uniform(random), tilt = 0.05 * normal(random);
    const auto bend = [&](double n, double heads) {
      return height * std::sin(phase + 0.8 * n) + tilt * heads;
    };
    std::vector<CostPoint> points;
    for (int n = 4; n <= 14; ++n) {
      for (int heads = 0; heads <= 6; heads += 2)
        points.push_back(point_at(n, heads, bend(n, heads) + 0.02 * normal(random), 0.02));
    }
    const CostModel model(points);
    for (int i = 0; i < 20; ++i) {
      const double n = 4 + 10 * uniform(random), heads = 6 * uniform(random);
      const auto truth = point_at(n, heads, bend(n, heads));
      const auto at = model.predict(truth.work, truth.at);
      inside += std::abs(at.log_seconds - truth.log_seconds) <= 1.96 * at.log_error;
      squares += std::pow(at.log_seconds - truth.log_seconds, 2);
      errors += at.log_error;
      ++all;
    }
  }
  EXPECT_GE(inside, 0.92 * all);
  EXPECT_LT(errors / all, 0.05);              // and they are not wide
  EXPECT_LT(std::sqrt(squares / all), 0.03);  // the bends themselves are of 0.14
}

TEST(TimeRatio, IsTheQuotientWithBothErrors) {
  const auto ratio = ratio_of({std::log(3.0), 0.03}, {std::log(2.0), 0.04});
  EXPECT_NEAR(ratio.ratio, 1.5, 1e-12);
  EXPECT_NEAR(ratio.low, 1.5 * std::exp(-1.28155 * 0.05), 1e-5);
  EXPECT_NEAR(ratio.high, 1.5 * std::exp(1.28155 * 0.05), 1e-5);
}

Contender contender(double seconds, double log_error, double workspace_bytes = 0) {
  return {{std::log(seconds), log_error}, workspace_bytes};
}

TEST(ChooseByTime, TheIncumbentStaysUntilTheLowerLimitExceedsTheBand) {
  // Lower limits of 1.1 over an error of e each: 1.1 exp(-1.2816 sqrt(2) e), 1.042 at 0.03, 1.014 at 0.045.
  EXPECT_EQ(choose_by_time(std::vector{contender(1.1, 0.03), contender(1, 0.03)}, 0), 1u);
  EXPECT_EQ(choose_by_time(std::vector{contender(1.1, 0.045), contender(1, 0.045)}, 0), 0u);
  EXPECT_EQ(choose_by_time(std::vector{contender(1.019, 0), contender(1, 0)}, 0), 0u);
  EXPECT_EQ(choose_by_time(std::vector{contender(1.021, 0), contender(1, 0)}, 0), 1u);
  EXPECT_EQ(choose_by_time(std::vector{contender(1, 0), contender(5, 0)}, 0), 0u);
  EXPECT_EQ(choose_by_time(std::vector{contender(1, 0)}, 0), 0u);
}

TEST(ChooseByTime, OfThoseWithinTheBandOfTheFastestTheSmallest) {
  const auto standard = contender(2, 0.01, 1);
  const auto fastest = contender(1, 0.01, 100), tied = contender(1.015, 0.01, 10),
             slower = contender(1.03, 0.01, 1);
  EXPECT_EQ(choose_by_time(std::vector{standard, fastest, tied, slower}, 0), 2u);
  EXPECT_EQ(choose_by_time(std::vector{standard, fastest, slower}, 0), 1u);
  // One that is not itself shown to beat the incumbent does not take its place.
  EXPECT_EQ(choose_by_time(std::vector{standard, fastest, contender(1.015, 0.6, 10)}, 0), 1u);
  EXPECT_EQ(choose_by_time(std::vector{standard, fastest, contender(1.001, 0.01, 100)}, 0), 1u);
}

TEST(Worth, MeanExcessOfANormal) {
  EXPECT_NEAR(mean_excess(0, 1), 0.398942, 1e-6);   // 1 / sqrt(2 pi)
  EXPECT_NEAR(mean_excess(1, 1), 1.083315, 1e-6);   // phi(1) + Phi(1)
  EXPECT_NEAR(mean_excess(-1, 1), 0.083315, 1e-6);  // the same less 1
  EXPECT_EQ(mean_excess(0.25, 0), 0.25);
  EXPECT_EQ(mean_excess(-0.25, 0), 0);
}

TEST(Worth, TheLossIsThatAgainstTheWorstRival) {
  EXPECT_EQ(expected_loss(std::vector{contender(1, 0.1)}, 0), 0);
  // Equal times, errors of 0.03 and 0.04: 0.05 / sqrt(2 pi); a rival e times slower adds nothing.
  EXPECT_NEAR(expected_loss(std::vector{contender(1, 0.03), contender(1, 0.04), contender(2.718, 0.04)}, 0),
              0.05 * 0.398942, 1e-6);
}

TEST(Worth, MostLossASecondOfWhatTimeIsLeftFor) {
  const std::vector<TuneOption> options = {{0.1, 1}, {0.3, 2}, {1, 100}, {0.001, 0.0001}};
  EXPECT_EQ(most_worthwhile(options, 10, 0.002), 1u);
  EXPECT_EQ(most_worthwhile(options, 1.5, 0.002), 0u);
  EXPECT_EQ(most_worthwhile(options, 1000, 0.5), 2u);
  EXPECT_EQ(most_worthwhile(options, 0.5, 0.002), std::nullopt);
  EXPECT_EQ(most_worthwhile(options, 0.5, 0), 3u);
}

}  // namespace
}  // namespace attnbench
