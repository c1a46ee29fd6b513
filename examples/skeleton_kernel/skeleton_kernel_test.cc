// Loads the plugin as the program does and compares it with answers worked out by hand.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/registry.h"

namespace attnbench {
namespace {

const KernelInfo& skeleton(const Mechanism& mechanism) {
  static const bool loaded = (load_plugin(SKELETON_PLUGIN), true);
  EXPECT_TRUE(loaded);
  return *find_kernel({mechanism, "skeleton", "example", ""});
}

/// Two query heads, head_dim 1, scale 1. `q`: head by head; `k`, `v`: one kv head.
struct Call {
  std::vector<float> q, k, v, o, lse;

  Call(std::vector<float> queries, std::vector<float> keys, std::vector<float> values, bool causal)
      : q(std::move(queries)),
        k(std::move(keys)),
        v(std::move(values)),
        o(q.size(), NAN),
        lse(q.size(), NAN) {
    Problem problem;
    problem.mechanism = {.kind = MechanismKind::mqa, .num_kv_heads = 1, .causal_bottom_right = causal};
    auto& shape = problem.shape;
    shape.num_q_heads = 2;
    shape.seqlen_q = static_cast<std::int64_t>(q.size()) / 2;
    shape.seqlen_kv = static_cast<std::int64_t>(k.size());
    shape.head_dim_qk = shape.head_dim_v = 1;
    shape.softmax_scale = 1;
    const auto view = [](std::vector<float>& data, std::int64_t heads) {
      return dense_view(data.data(), DType::f32, Layout::bhsd, 1, heads,
                        static_cast<std::int64_t>(data.size()) / heads, 1);
    };
    Tensors tensors;
    tensors[Role::q] = view(q, 2);
    tensors[Role::k] = view(k, 1);
    tensors[Role::v] = view(v, 1);
    tensors[Role::o] = view(o, 2);
    tensors[Role::lse] = view(lse, 2);
    const auto device = cpu_device(1);
    const auto& kernel = skeleton(problem.mechanism);
    EXPECT_TRUE(kernel.supports(problem, device));
    run_once(*kernel.prepare(problem, device), problem, tensors, *device.make_queue());
  }
};

// Scores ln 1 and ln 3 weigh 1/4 and 3/4; a score of 0 against 0 gives the mean.
TEST(SkeletonKernel, WeighsByTheSoftmax) {
  const Call call({1, 0}, {0, std::log(3.0f)}, {10, 20}, false);
  EXPECT_NEAR(call.o[0], 17.5, 1e-5);
  EXPECT_NEAR(call.o[1], 15.0, 1e-5);
  EXPECT_NEAR(call.lse[0], std::log(4.0), 1e-6);
  EXPECT_NEAR(call.lse[1], std::log(2.0), 1e-6);
}

TEST(SkeletonKernel, SurvivesScoresWhereExpOverflows) {
  const Call call({200, 200}, {1, 0}, {10, 20}, false);
  EXPECT_FLOAT_EQ(call.o[0], 10);
  EXPECT_FLOAT_EQ(call.lse[0], 200);
}

// Three queries over two keys: the first is before all keys and sees none, the second sees one.
TEST(SkeletonKernel, CausalAlignsTheLastQueryWithTheLastKey) {
  const Call call({0, 0, 0, 0, 0, 0}, {5, 5}, {10, 20}, true);
  EXPECT_EQ(call.o[0], 0);
  EXPECT_EQ(call.lse[0], -std::numeric_limits<float>::infinity());
  EXPECT_FLOAT_EQ(call.o[1], 10);
  EXPECT_FLOAT_EQ(call.o[2], 15);
}

TEST(SkeletonKernel, QueryBeforeAllKeysSeesNoneWithoutAMaskToo) {
  const Call call({0, 0, 0, 0, 0, 0}, {5, 5}, {10, 20}, false);
  EXPECT_EQ(call.o[0], 0);
  EXPECT_EQ(call.lse[0], -std::numeric_limits<float>::infinity());
  EXPECT_FLOAT_EQ(call.o[1], 15);
}

TEST(SkeletonKernel, SaysWhyItCannot) {
  Problem problem;
  problem.mechanism = {.kind = MechanismKind::mha, .num_kv_heads = 1};
  problem.shape.dtype_kv = DType::bf16;
  EXPECT_EQ(skeleton(problem.mechanism).supports(problem, cpu_device(1)).reason(), "f32 only");
}

}  // namespace
}  // namespace attnbench
