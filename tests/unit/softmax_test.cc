#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "engines/cpu/row_ops.h"
#include "support/elements.h"

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
  const auto p = dense_view(scores.data(), p_type, Layout::bhsd, 1, 1, 1, cols);
  for (std::int64_t j = 0; j < cols; ++j) result.p.push_back(get_element(p, 0, 0, 0, j));
  return result;
}

void expect_softmax(const std::vector<float>& scores, float scale) {
  double maximum = -kInf;
  for (const auto s : scores) maximum = std::max(maximum, double{s} * scale);
  double sum = 0;
  for (const auto s : scores) sum += std::exp(double{s} * scale - maximum);
  for (const auto dtype : kDTypes) {
    const auto result = run(scores, scale, dtype);
    // The exponent's own rounding grows with its distance from 0.
    const auto tolerance = [&](double score) {
      return (dtype == DType::f32 ? 1e-6 : unit_in_last_place(dtype) / 2 * 1.01) +
             0x1p-23 * (maximum - score);
    };
    const double smallest = dtype == DType::f16 ? 0x1p-25 : 1e-37;  // half a step of the subnormals
    for (std::size_t j = 0; j < scores.size(); ++j) {
      const auto score = double{scores[j]} * scale;
      const auto exact = std::exp(score - maximum) / sum;
      EXPECT_NEAR(result.p[j], exact, tolerance(score) * exact + smallest)
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
  for (const auto dtype : kDTypes) {
    const auto result = run({-kInf, 1, -kInf, 1, -kInf}, 1, dtype);
    EXPECT_EQ(result.p, (std::vector<double>{0, 0.5, 0, 0.5, 0}));
    EXPECT_NEAR(result.lse, 1 + std::log(2.0), 1e-6);
  }
}

/// Scores of which no product with the scale is exact; the rest is as far below as f32 allows.
TEST(Softmax, HugeEqualScoresShareAllWeight) {
  for (const auto dtype : kDTypes) {
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
  for (const auto dtype : kDTypes) {
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
    const auto exact = [](double v) { return v > 0 ? v + 1 : std::exp(v); };
    for (std::size_t j = 0; j < x.size(); ++j) {
      EXPECT_NEAR(result[j], exact(x[j]), 4e-6 * exact(x[j]) + 1e-37);
    }
    const std::vector<bf16_t> bf16(x.begin(), x.end());
    std::vector<bf16_t> bf16_result(x.size());
    phi(bf16.data(), bf16_result.data(), cols, DType::bf16);
    const std::vector<f16_t> f16(x.begin(), x.end());
    std::vector<f16_t> f16_result(x.size());
    phi(f16.data(), f16_result.data(), cols, DType::f16);
    for (std::size_t j = 0; j < x.size(); ++j) {
      const auto of_bf16 = exact(static_cast<float>(bf16[j]));
      EXPECT_NEAR(static_cast<float>(bf16_result[j]), of_bf16, 0x1p-8 * of_bf16 + 1e-37);
      const auto of_f16 = exact(static_cast<float>(f16[j]));
      EXPECT_NEAR(static_cast<float>(f16_result[j]), of_f16, 0x1.01p-11 * of_f16 + 0x1p-25);
    }
  }
}

/// With each vector instruction set this CPU has, one by one.
class RowOpsOfEveryTarget : public testing::Test {
 protected:
  void TearDown() override { use_targets(0); }
  static void use_targets(std::int64_t targets) {
    hwy::SetSupportedTargetsForTest(targets);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
  template <typename Body>
  static void for_targets(const Body& body) {
    auto targets = hwy::SupportedTargets() & HWY_TARGETS;
    ASSERT_NE(targets, 0);
    for (; targets != 0; targets &= targets - 1) {
      use_targets(targets & -targets);
      SCOPED_TRACE(hwy::TargetName(targets & -targets));
      body();
      use_targets(0);
    }
  }

  template <typename T>
  static void check_type() {
    std::vector<T> elements;
    std::vector<float> x = {1.00390625F, 1.01171875F, -1.00390625F, 3.0e38F, 1e-40F, -0.0F, kInf, -kInf};
    for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
      elements.push_back(T::from_bits(static_cast<std::uint16_t>(bits)));
      // The number itself, the middle to the next one and its neighbours.
      const auto value = static_cast<float>(elements.back());
      const auto next = static_cast<float>(T::from_bits(static_cast<std::uint16_t>(bits + 1)));
      const float middle = value / 2 + next / 2;
      x.insert(x.end(), {value, middle, std::nextafter(middle, kInf), std::nextafter(middle, -kInf)});
    }
    x.push_back(std::bit_cast<float>(0x7f800001U));
    x.push_back(std::bit_cast<float>(0xffffffffU));
    std::vector<float> wide(elements.size());
    widen(elements.data(), wide.data(), static_cast<std::int64_t>(wide.size()), dtype_of<T>);
    for (std::size_t j = 0; j < wide.size(); ++j) {
      const auto value = static_cast<float>(elements[j]);
      ASSERT_EQ(std::isnan(wide[j]), std::isnan(value)) << std::hex << elements[j].bits;
      if (std::isnan(value)) continue;
      ASSERT_EQ(std::bit_cast<std::uint32_t>(wide[j]), std::bit_cast<std::uint32_t>(value));
    }
    std::vector<T> result(x.size());
    divide(x.data(), 1, result.data(), static_cast<std::int64_t>(x.size()), dtype_of<T>);
    for (std::size_t j = 0; j < x.size(); ++j) {
      if (std::isnan(x[j])) {
        ASSERT_TRUE(std::isnan(static_cast<float>(result[j]))) << j;
      } else {
        ASSERT_EQ(result[j].bits, T(x[j]).bits) << x[j];
      }
    }
  }
};

TEST_F(RowOpsOfEveryTarget, ConvertBf16AsTheScalarFormDoes) { for_targets(check_type<bf16_t>); }
TEST_F(RowOpsOfEveryTarget, ConvertF16AsTheScalarFormDoes) { for_targets(check_type<f16_t>); }

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
