#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "attnbench/tensor.h"

namespace attnbench {
namespace {

/// All sizes differ, so that none can stand for another.
Problem problem_of(Scope scope) {
  Problem problem;
  problem.scope = scope;
  auto& s = problem.shape;
  s.batch = 2;
  s.num_q_heads = 6;
  s.seqlen_q = 5;
  s.seqlen_kv = scope == Scope::layer ? 5 : 7;
  s.head_dim_qk = 8;
  s.head_dim_v = 16;
  s.d_model = scope == Scope::layer ? 11 : 0;
  s.layout = Layout::bshd;
  s.dtype_q = DType::f32;
  s.dtype_kv = DType::bf16;
  s.dtype_o = DType::f32;
  s.softmax_scale = 1;
  problem.mechanism = bind_kv_heads(parse_mechanism("gqa(kv=3)"), 6, 3);
  return problem;
}

TEST(Roles, OfCoreScope) {
  const auto in = Access::in;
  const auto out = Access::out;
  const std::vector<TensorSpec> expected = {{Role::q, in, {2, 6, 5, 8}, DType::f32, Layout::bshd, false},
                                            {Role::k, in, {2, 3, 7, 8}, DType::bf16, Layout::bshd, false},
                                            {Role::v, in, {2, 3, 7, 16}, DType::bf16, Layout::bshd, false},
                                            {Role::o, out, {2, 6, 5, 16}, DType::f32, Layout::bshd, false},
                                            {Role::lse, out, {2, 6, 5, 1}, DType::f32, Layout::bhsd, true}};
  EXPECT_EQ(roles_of(problem_of(Scope::core)), expected);
}

TEST(Roles, LinearMechanismsHaveNoLogSumExp) {
  auto problem = problem_of(Scope::core);
  problem.mechanism = bind_kv_heads(parse_mechanism("linear"), 6, 3);
  for (const auto& spec : roles_of(problem)) EXPECT_NE(spec.role, Role::lse);
}

TEST(Roles, OfLayerScope) {
  const auto in = Access::in;
  const std::vector<TensorSpec> expected = {
      {Role::x, in, {2, 1, 5, 11}, DType::f32},   {Role::wq, in, {1, 1, 11, 48}, DType::f32},
      {Role::wk, in, {1, 1, 11, 24}, DType::f32}, {Role::wv, in, {1, 1, 11, 48}, DType::f32},
      {Role::wo, in, {1, 1, 96, 11}, DType::f32}, {Role::o, Access::out, {2, 1, 5, 11}, DType::f32}};
  EXPECT_EQ(roles_of(problem_of(Scope::layer)), expected);
}

TEST(Roles, BytesAreThoseOfTheElementType) {
  const auto roles = roles_of(problem_of(Scope::core));
  EXPECT_EQ(roles[0].bytes(), 2 * 6 * 5 * 8 * 4);
  EXPECT_EQ(roles[1].bytes(), 2 * 3 * 7 * 8 * 2);
}

TEST(TensorCopy, FollowsStridesAndLeavesGapsAlone) {
  std::vector<float> dense = {1, 2, 3, 4, 5, 6};
  std::vector<float> spread(10, -1);
  const auto from = dense_view(dense.data(), DType::f32, Layout::bhsd, 1, 1, 3, 2);
  auto to = dense_view(spread.data(), DType::f32, Layout::bhsd, 1, 1, 3, 2);
  to.strides[2] = 4;
  copy_elements(from, to);
  EXPECT_EQ(spread, (std::vector<float>{1, 2, -1, -1, 3, 4, -1, -1, 5, 6}));
  fill_nan(to);
  EXPECT_TRUE(std::isnan(spread[0]) && std::isnan(spread[5]) && std::isnan(spread[9]));
  EXPECT_EQ(spread[2], -1);
  EXPECT_EQ(spread[7], -1);
}

}  // namespace
}  // namespace attnbench
