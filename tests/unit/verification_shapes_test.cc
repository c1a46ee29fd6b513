#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <set>
#include <string>
#include <tuple>

#include "attnbench/error.h"
#include "run/verification/placement.h"
#include "run/verification/shapes.h"

namespace attnbench {
namespace {

using testing::HasSubstr;

/// The factors of which every pair of values must occur, as values of one shape.
std::array<std::int64_t, 6> factors_of(const VerifyShape& v) {
  const auto& s = v.shape;
  return {s.seqlen_kv, s.head_dim_qk, s.num_q_heads / v.num_kv_heads, s.batch, s.seqlen_q == s.seqlen_kv,
          v.causal};
}

TEST(VerifyShapes, EveryPairOfValuesOccurs) {
  const std::vector<std::vector<std::int64_t>> values = {
      {1, 7, 33, 127, 129, 777}, {32, 64, 80, 128}, {1, 2, 3, 8}, {1, 3}, {0, 1}, {0, 1}};
  std::set<std::tuple<std::size_t, std::int64_t, std::size_t, std::int64_t>> present;
  for (const auto& shape : verify_shapes().pairwise) {
    const auto f = factors_of(shape);
    for (std::size_t a = 0; a < f.size(); ++a)
      for (std::size_t b = 0; b < f.size(); ++b) present.insert({a, f[a], b, f[b]});
  }
  for (std::size_t a = 0; a < values.size(); ++a)
    for (std::size_t b = a + 1; b < values.size(); ++b)
      for (const auto x : values[a])
        for (const auto y : values[b])
          EXPECT_TRUE(present.contains({a, x, b, y}))
              << "factor " << a << " = " << x << ", " << b << " = " << y;
}

TEST(VerifyShapes, BlocksDoNotDivideTheKeys) {
  EXPECT_EQ(verify_shapes().pairwise.size(), 40u);
  for (const auto& shape : verify_shapes().pairwise)
    EXPECT_NE(shape.shape.seqlen_kv % shape.block_size, 0) << shape.name;
}

TEST(VerifyShapes, HardShapesCoverWhatTheyAreFor) {
  std::set<std::int64_t> kv_heads;
  bool layer = false, bshd = false, far = false, cache = false, blind = false, lengths = false;
  for (const auto& list : {verify_shapes().pairwise, verify_shapes().hard}) {
    for (const auto& v : list) {
      kv_heads.insert(v.num_kv_heads);
      layer |= v.scope == Scope::layer;
      bshd |= v.shape.layout == Layout::bshd;
      far |= v.row_stride * v.shape.seqlen_q > std::int64_t{1} << 31;
      cache |= v.keys > 0 && v.keys < v.shape.seqlen_kv;
      blind |= v.shape.seqlen_q > v.shape.seqlen_kv;
      lengths |= !v.shape.seqlens_kv.empty();
    }
  }
  EXPECT_THAT(kv_heads, testing::ElementsAre(1, 2, 3, 4, 5, 6, 7));
  EXPECT_TRUE(layer && bshd && far && cache && blind && lengths);
}

TEST(VerifyShapes, ProblemsAreOneOfEachMechanism) {
  for (const auto& problem : verify_shapes().pairwise.front().problems(DType::bf16)) {
    EXPECT_EQ(problem.shape.dtype_o, DType::bf16);
    const auto heads = problem.shape.num_q_heads;
    const auto kind = problem.mechanism.kind;
    const auto expected = kind == MechanismKind::mha   ? heads
                          : kind == MechanismKind::mqa ? 1
                                                       : std::int64_t{2};
    EXPECT_EQ(problem.mechanism.num_kv_heads, expected) << name(kind);
  }
}

std::string message_of(const std::string& toml) {
  try {
    parse_verify_shapes(toml);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(VerifyShapes, BadFilesAreNamed) {
  const std::string good =
      "seqlen_q = 1, seqlen_kv = 1, head_dim = 8, kv_heads = 1, group = 1, batch = 1, causal = true, window "
      "= 1, "
      "block_size = 1, globals = 0";
  EXPECT_EQ(message_of("hard = []\npairwise = [{" + good + "}]"), "accepted");
  EXPECT_THAT(message_of("pairwise = [{" + good + "}]"), HasSubstr("hard"));
  EXPECT_THAT(message_of("hard = []\npairwise = [{" + good + ", colour = 1}]"),
              HasSubstr("pairwise 1: colour"));
  EXPECT_THAT(message_of("hard = []\npairwise = [{seqlen_q = 3}]"), HasSubstr("pairwise 1: batch"));
  EXPECT_THAT(message_of("hard = [\npairwise = []"), HasSubstr("line 2"));
}

TEST(Placement, StridesKeysAndGaps) {
  VerifyShape v = verify_shapes().hard.front();
  ASSERT_GT(v.row_stride, 0);
  const auto problem = v.problems(DType::f32).front();
  const auto data = place_data(v, problem, reference::InputKind::normal, 1);
  check_tensors(problem, data.tensors);
  EXPECT_EQ(data.tensors[Role::q].strides[2], v.row_stride);
  EXPECT_EQ(find_gap_write(v, data.tensors[Role::o]), "");
  data.tensors[Role::o].row<float>(0, 1, 2)[data.tensors[Role::o].sizes[3]] = 1;
  EXPECT_EQ(find_gap_write(v, data.tensors[Role::o]), "it wrote behind the end of o[batch 0, head 1, row 2]");
  // The same values as in dense memory.
  const auto dense = reference::make_data(problem, reference::InputKind::normal, 1, false);
  for (std::int64_t c = 0; c < problem.shape.head_dim_v; ++c)
    EXPECT_EQ(data.tensors[Role::v].row<float>(0, 2, 64)[c], dense.tensors[Role::v].row<float>(0, 2, 64)[c]);
}

}  // namespace
}  // namespace attnbench
