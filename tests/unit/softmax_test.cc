#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "engines/cpu/row_ops.h"

/// The vector steps between products, against float64, at every length up to a few vectors.
namespace attnbench::cpu {
namespace {

constexpr float kInf = std::numeric_limits<float>::infinity();

struct Result {
  std::vector<double> p;
  float lse = 0;
};

Result run(std::vector<float> scores, float scale, DType p_type) {
  const auto cols = static_cast<std::int64_t>(scores.size());
  const auto stride = padded_row(cols);
  scores.resize(static_cast<std::size_t>(stride), std::nanf(""));
  Result result;
  softmax_rows({scores.data(), 1, cols, stride}, scale, p_type, {&result.lse, 1});
  std::vector<bf16_bits> halves(static_cast<std::size_t>(cols));
  std::memcpy(halves.data(), scores.data(), halves.size() * sizeof(bf16_bits));
  for (std::size_t j = 0; j < halves.size(); ++j) {
    result.p.push_back(p_type == DType::f32 ? scores[j] : bf16_to_float(halves[j]));
  }
  return result;
}

void expect_softmax(const std::vector<float>& scores, float scale) {
  double maximum = -kInf;
  for (const auto s : scores) maximum = std::max(maximum, double{s} * scale);
  double sum = 0;
  for (const auto s : scores) sum += std::exp(double{s} * scale - maximum);
  for (const auto dtype : {DType::f32, DType::bf16}) {
    const auto result = run(scores, scale, dtype);
    // The exponent's own rounding grows with its distance from 0.
    const auto tolerance = [&](double score) {
      return (dtype == DType::f32 ? 1e-6 : 0x1p-8) + 0x1p-23 * (maximum - score);
    };
    for (std::size_t j = 0; j < scores.size(); ++j) {
      const auto score = double{scores[j]} * scale;
      const auto exact = std::exp(score - maximum) / sum;
      EXPECT_NEAR(result.p[j], exact, tolerance(score) * exact + 1e-37)
          << "column " << j << " of " << scores.size();
    }
    EXPECT_NEAR(result.lse, maximum + std::log(sum), 1e-6 * (1 + std::abs(maximum)));
  }
}

TEST(Softmax, RowsOfAnyLength) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  for (std::size_t cols = 1; cols <= 100; ++cols) {
    std::vector<float> scores(cols);
    for (auto& s : scores) s = 3 * normal(random);
    expect_softmax(scores, 0.7F);
  }
}

TEST(Softmax, RisingMaximaAndLogitsBeyondTheRangeOfExp) {
  std::vector<float> scores(301);
  for (std::size_t j = 0; j < scores.size(); ++j) scores[j] = static_cast<float>(j) * 0.5F;
  expect_softmax(scores, 1);
  expect_softmax(scores, 8);
}

TEST(Softmax, MaskedScoresHaveExactlyNoWeight) {
  for (const auto dtype : {DType::f32, DType::bf16}) {
    const auto result = run({-kInf, 1, -kInf, 1, -kInf}, 1, dtype);
    EXPECT_EQ(result.p, (std::vector<double>{0, 0.5, 0, 0.5, 0}));
    EXPECT_NEAR(result.lse, 1 + std::log(2.0), 1e-6);
  }
}

/// Scores of which no product with the scale is exact; the rest is as far below as f32 allows.
TEST(Softmax, HugeEqualScoresShareAllWeight) {
  for (const auto dtype : {DType::f32, DType::bf16}) {
    for (const float score : {2147483648.0F, -2147483904.0F, 1.2345e31F, -7.7e37F}) {
      const auto result = run({score, -3e38F, score, -kInf}, 0.18033688F, dtype);
      EXPECT_EQ(result.p, (std::vector<double>{0.5, 0, 0.5, 0})) << score;
      EXPECT_NEAR(result.lse, double{0.18033688F} * double{score}, std::abs(score) * 0x1p-23) << score;
    }
    const auto flat = run({3, 1, -2, 0}, 1.2e-38F, dtype);
    EXPECT_EQ(flat.p, std::vector<double>(4, 0.25));
  }
}

TEST(Softmax, ARowWithoutAnyScoreIsZeros) {
  for (const auto dtype : {DType::f32, DType::bf16}) {
    const auto result = run(std::vector<float>(37, -kInf), 0.1F, dtype);
    EXPECT_EQ(result.p, std::vector<double>(37, 0.0));
    EXPECT_EQ(result.lse, -kInf);
  }
}

TEST(Softmax, RowsKeepToThemselves) {
  const std::int64_t cols = 20;
  const auto stride = padded_row(cols);
  std::vector<float> scores(static_cast<std::size_t>(3 * stride), 0);
  std::vector<float> lse(6, -1);
  std::fill_n(scores.begin() + stride, cols, -kInf);
  softmax_rows({scores.data(), 3, cols, stride}, 1, DType::f32, {lse.data(), 2});
  EXPECT_FLOAT_EQ(scores[0], 0.05F);
  EXPECT_EQ(scores[static_cast<std::size_t>(stride)], 0);
  EXPECT_FLOAT_EQ(scores[static_cast<std::size_t>(2 * stride + cols - 1)], 0.05F);
  EXPECT_FLOAT_EQ(lse[0], std::log(20.0F));
  EXPECT_EQ(lse[1], -1);
  EXPECT_EQ(lse[2], -kInf);
  EXPECT_FLOAT_EQ(lse[4], std::log(20.0F));
}

TEST(RowOps, PhiIsEluPlusOne) {
  for (std::int64_t cols = 1; cols <= 40; ++cols) {
    std::vector<float> x(static_cast<std::size_t>(cols));
    for (std::size_t j = 0; j < x.size(); ++j) x[j] = -30 + 1.9F * static_cast<float>(j);
    x[0] = -200;
    std::vector<float> result(x.size());
    phi(x.data(), result.data(), cols, DType::f32);
    std::vector<bf16_bits> halves(x.size());
    std::transform(x.begin(), x.end(), halves.begin(), bf16_from_float);
    std::vector<bf16_bits> half_result(x.size());
    phi(halves.data(), half_result.data(), cols, DType::bf16);
    for (std::size_t j = 0; j < x.size(); ++j) {
      const auto exact = [](double v) { return v > 0 ? v + 1 : std::exp(v); };
      EXPECT_NEAR(result[j], exact(x[j]), 4e-6 * exact(x[j]) + 1e-37);
      const auto half_exact = exact(bf16_to_float(halves[j]));
      EXPECT_NEAR(bf16_to_float(half_result[j]), half_exact, 0x1p-8 * half_exact + 1e-37);
    }
  }
}

TEST(RowOps, RoundingToBf16MatchesTheScalarForm) {
  std::vector<float> x = {1.00390625F, 1.01171875F, -1.00390625F, 3.0e38F, 1e-40F, -0.0F, kInf, -kInf};
  std::mt19937 random(5);
  for (int j = 0; j < 64; ++j)
    x.push_back(std::ldexp(static_cast<float>(random()), static_cast<int>(random() % 60) - 50));
  x.push_back(std::nanf(""));
  std::vector<bf16_bits> result(x.size());
  divide(x.data(), 1, result.data(), static_cast<std::int64_t>(x.size()), DType::bf16);
  for (std::size_t j = 0; j < x.size(); ++j) EXPECT_EQ(result[j], bf16_from_float(x[j])) << x[j];
}

TEST(RowOps, SmallAlgebraOfAnyLength) {
  for (std::int64_t cols = 1; cols <= 70; ++cols) {
    const auto n = static_cast<std::size_t>(cols);
    std::vector<float> x(n), y(n), result(n), outer(3 * n);
    double exact_dot = 0;
    for (std::size_t j = 0; j < n; ++j) {
      x[j] = static_cast<float>(j % 7) - 3;
      y[j] = static_cast<float>(j % 5) + 1;
      exact_dot += double{x[j]} * double{y[j]};
    }
    EXPECT_EQ(dot(x.data(), y.data(), cols, DType::f32), exact_dot);
    multiply_add(2, x.data(), y.data(), result.data(), cols, DType::f32);
    const std::vector<float> factors = {1, -2, 3};
    std::vector<float> ones(3 * n, 1);
    add_outer_product(factors.data(), x.data(), ones.data(), outer.data(), 3, cols, DType::f32);
    std::vector<float> totals(n);
    column_sums(outer.data(), totals.data(), 3, cols, DType::f32);
    std::vector<float> sums(n);
    row_times_matrix(factors.data(), outer.data(), sums.data(), 3, cols, DType::f32);
    for (std::size_t j = 0; j < n; ++j) {
      EXPECT_EQ(result[j], y[j] + 2 * x[j]);
      EXPECT_EQ(outer[n + j], 1 - 2 * x[j]);
      EXPECT_EQ(totals[j], 3 + 2 * x[j]);
      EXPECT_EQ(sums[j], 2 + 14 * x[j]);
    }
  }
}

}  // namespace
}  // namespace attnbench::cpu
