#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "unit/reference_fixture.h"

namespace attnbench::reference {
namespace {

/// The largest difference of plain form and oracle, and the largest value.
std::pair<double, double> error_of(const Problem& problem, InputKind kind) {
  const auto data = make_data(problem, kind, 1, false);
  const auto rows = all_rows(problem);
  const auto exact = oracle(problem, data.tensors, rows);
  const auto plain = plain_form(problem, data.tensors, rows);
  double error = 0;
  double largest = 0;
  for (std::size_t n = 0; n < exact[Role::o].size(); ++n) {
    error = std::max(error, std::abs(exact[Role::o][n] - plain[Role::o][n]));
    largest = std::max(largest, std::abs(exact[Role::o][n]));
  }
  return {error, largest};
}

TEST(PlainForm, ErrsAsItsElementTypeDoes) {
  for (const auto* mechanism :
       {"mha", "swa(w=9,causal)", "block_sparse(bs=8,globals=1)", "linear", "causal_linear"}) {
    for (const auto kind : {InputKind::normal, InputKind::zero_q}) {
      const auto f32 = error_of(small_problem(mechanism, 40, 40, 2, 0, 16), kind);
      const auto bf16 = error_of(small_problem(mechanism, 40, 40, 2, 0, 16, 1, DType::bf16), kind);
      const auto f16 = error_of(small_problem(mechanism, 40, 40, 2, 0, 16, 1, DType::f16), kind);
      EXPECT_LT(f32.first, 4e-6 * f32.second) << mechanism;
      // Three bits more than bf16, thirteen fewer than f32.
      EXPECT_LT(f16.first, bf16.first / 2) << mechanism;
      EXPECT_GT(f16.first, 1e-5 * f16.second) << mechanism;
      EXPECT_LT(bf16.first, 0.02 * bf16.second) << mechanism;
      // Rounding to eight bits cannot go unseen.
      EXPECT_GT(bf16.first, 1e-4 * bf16.second) << mechanism;
    }
  }
}

TEST(PlainForm, StaysFiniteOnEveryInput) {
  for (const auto* mechanism : {"mha", "swa(w=9,causal)", "linear", "causal_linear"}) {
    for (const auto dtype : kDTypes) {
      for (const auto kind : all_input_kinds()) {
        EXPECT_TRUE(std::isfinite(error_of(small_problem(mechanism, 40, 33, 2, 0, 64, 1, dtype), kind).first))
            << mechanism << " " << name(kind);
      }
    }
  }
}

// Weights 1/3 of three equal keys: rounded to bf16 before the product, 0.333984375 each.
TEST(PlainForm, RoundsWeightsBeforeTheProductWithV) {
  auto problem = small_problem("mha", 1, 3, 1, 0, 1);
  problem.shape.dtype_kv = DType::bf16;
  const bf16_t one(1.0f);
  std::vector<bf16_t> k = {one, one, one};
  float q = 1;
  Tensors t;
  t[Role::q] = dense_view(&q, DType::f32, Layout::bhsd, 1, 1, 1, 1);
  t[Role::k] = t[Role::v] = dense_view(k.data(), DType::bf16, Layout::bhsd, 1, 1, 3, 1);
  const auto rows = all_rows(problem);
  EXPECT_EQ(plain_form(problem, t, rows)[Role::o].front(), 3 * 0.333984375);
  EXPECT_DOUBLE_EQ(oracle(problem, t, rows)[Role::o].front(), 1.0);
}

// The same in f16: 1/3 is 1365/4096 with its eleven bits.
TEST(PlainForm, RoundsWeightsToF16) {
  auto problem = small_problem("mha", 1, 3, 1, 0, 1);
  problem.shape.dtype_kv = DType::f16;
  std::vector<f16_t> k(3, f16_t(1.0f));
  float q = 1;
  Tensors t;
  t[Role::q] = dense_view(&q, DType::f32, Layout::bhsd, 1, 1, 1, 1);
  t[Role::k] = t[Role::v] = dense_view(k.data(), DType::f16, Layout::bhsd, 1, 1, 3, 1);
  const auto rows = all_rows(problem);
  EXPECT_EQ(plain_form(problem, t, rows)[Role::o].front(), 3 * 1365 / 4096.0);
  EXPECT_DOUBLE_EQ(oracle(problem, t, rows)[Role::o].front(), 1.0);
}

// A layer of one head and width 1: x wk = 1 + 2^-8 rounds to 1 in bf16 (ties to even), so does the output.
TEST(PlainForm, RoundsProjections) {
  auto problem = small_problem("mha", 1, 1, 1, 0, 1, 1, DType::bf16);
  problem.scope = Scope::layer;
  problem.shape.d_model = 2;
  std::vector<bf16_t> x = {bf16_t(1.0f), bf16_t(0x1p-8f)};
  std::vector<bf16_t> ones = {bf16_t(1.0f), bf16_t(1.0f)};
  Tensors t;
  t[Role::x] = dense_view(x.data(), DType::bf16, Layout::bhsd, 1, 1, 1, 2);
  t[Role::wq] = t[Role::wk] = t[Role::wv] = dense_view(ones.data(), DType::bf16, Layout::bhsd, 1, 1, 2, 1);
  t[Role::wo] = dense_view(ones.data(), DType::bf16, Layout::bhsd, 1, 1, 1, 2);
  const auto rows = all_rows(problem);
  EXPECT_EQ(plain_form(problem, t, rows)[Role::o].front(), 1.0);
  EXPECT_DOUBLE_EQ(oracle(problem, t, rows)[Role::o].front(), 1 + 0x1p-8);
}

// 2^24 + 1 is 2^24 in f32: small terms count only where they are summed first.
TEST(PlainForm, OfFewRowsSumsFromEitherEnd) {
  auto problem = small_problem("mha", 1, 4, 1, 0, 3);
  std::vector<float> q = {0x1p24f, 1, 1}, k(12, 0.0f), v(12, 0.0f);
  for (const auto c : {0, 1, 2})
    k[static_cast<std::size_t>(c)] = 1;  // the first key alone has a score, q's sum
  Tensors t;
  t[Role::q] = dense_view(q.data(), DType::f32, Layout::bhsd, 1, 1, 1, 3);
  t[Role::k] = dense_view(k.data(), DType::f32, Layout::bhsd, 1, 1, 4, 3);
  t[Role::v] = dense_view(v.data(), DType::f32, Layout::bhsd, 1, 1, 4, 3);
  problem.shape.softmax_scale = 1;
  auto forms = plain_forms(problem, t, all_rows(problem));
  ASSERT_EQ(forms.size(), 2U);
  EXPECT_EQ(forms[0][Role::lse].front(), 0x1p24);
  EXPECT_EQ(forms[1][Role::lse].front(), 0x1p24 + 2);

  std::fill(q.begin(), q.end(), 0.0f);  // four weights of 1/4
  v[0] = 0x1p26f;
  v[3] = v[6] = 4;
  forms = plain_forms(problem, t, all_rows(problem));
  EXPECT_EQ(forms[0][Role::o].front(), 0x1p24);
  EXPECT_EQ(forms[1][Role::o].front(), 0x1p24 + 2);
}

TEST(PlainForm, OfManyRowsAndOfLinearMechanismsIsOne) {
  for (const auto& [mechanism, queries, forms] :
       {std::tuple{"mha", 63, 2U}, {"mha", 64, 1U}, {"linear", 4, 1U}, {"causal_linear", 4, 1U}}) {
    const auto problem = small_problem(mechanism, queries, 64, 1, 0, 16);
    const auto data = make_data(problem, InputKind::normal, 1, false);
    const auto rows = all_rows(problem);
    EXPECT_EQ(plain_forms(problem, data.tensors, rows).size(), forms) << mechanism << " " << queries;
  }
}

}  // namespace
}  // namespace attnbench::reference
