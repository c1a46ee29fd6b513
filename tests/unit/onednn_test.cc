// Engine onednn, where oneDNN fuses attention: what a call gives, and what it says where it would not be
// fused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/registry.h"

namespace attnbench {
namespace {

using testing::Each;
using testing::FloatNear;
using testing::HasSubstr;

class Onednn : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto& engine : missing_engines()) {
      if (engine.name == "onednn") GTEST_SKIP() << engine.reason;
    }
  }
};

const KernelInfo& onednn_sdpa() {
  const auto* found = find_kernel({parse_mechanism("mha"), "sdpa", "onednn", ""});
  if (found == nullptr) throw std::runtime_error("no kernel sdpa@onednn");
  return *found;
}

/// Width 2.
Problem onednn_problem(const std::string& mechanism, std::int64_t heads, std::int64_t kv_heads,
                       std::int64_t queries, std::int64_t keys) {
  Problem problem;
  auto& s = problem.shape;
  s.num_q_heads = heads;
  s.seqlen_q = queries;
  s.seqlen_kv = keys;
  s.head_dim_qk = s.head_dim_v = 2;
  s.softmax_scale = 1;
  problem.phase = queries == keys ? Phase::prefill : Phase::decode;
  problem.mechanism = bind_kv_heads(parse_mechanism(mechanism), heads, kv_heads);
  return problem;
}

CpuDevice with_threads(int threads) {
  auto device = cpu_device(1);
  device.threads = threads;
  return device;
}

// q = 0 weighs visible keys the same. Four queries, three keys: the first query is before all keys.
TEST_F(Onednn, SeesTheWindowAndSaysWhatRan) {
  const auto device = with_threads(1);
  const auto problem = onednn_problem("swa(w=2)", 3, 3, 4, 3);
  std::vector<float> q(24, 0.0f), k(18, 5.0f), v, o(24, -1.0f);
  for (int head = 0; head < 3; ++head) v.insert(v.end(), {3, 30, 6, 60, 12, 120});
  Tensors t;
  t[Role::q] = dense_view(q.data(), DType::f32, Layout::bhsd, 1, 3, 4, 2);
  t[Role::k] = dense_view(k.data(), DType::f32, Layout::bhsd, 1, 3, 3, 2);
  t[Role::v] = dense_view(v.data(), DType::f32, Layout::bhsd, 1, 3, 3, 2);
  t[Role::o] = dense_view(o.data(), DType::f32, Layout::bshd, 1, 3, 4, 2);
  ASSERT_TRUE(onednn_sdpa().supports(problem, device)) << onednn_sdpa().supports(problem, device).reason();
  const auto execution = onednn_sdpa().prepare(problem, device);
  run_once(*execution, problem, t, *device.make_queue());
  const std::vector<float> rows = {0, 0, 4.5, 45, 7, 70, 9, 90};
  for (std::size_t row = 0; row < 4; ++row) {
    for (std::size_t head = 0; head < 3; ++head) {
      for (std::size_t d = 0; d < 2; ++d)
        EXPECT_NEAR(o[(row * 3 + head) * 2 + d], rows[row * 2 + d], 1e-4) << row << ' ' << head;
    }
  }
  EXPECT_EQ(execution->implementation().ran, onednn_sdpa().implementation());
  EXPECT_EQ(onednn_sdpa().implementation(), "sdp_decomp_kernel_t");
}

TEST_F(Onednn, BindingsWithFewerKeysStandSideBySide) {
  const auto device = with_threads(1);
  const auto problem = onednn_problem("mqa", 4, 1, 1, 3);
  std::vector<float> q(8, 0.0f), k(6, 1.0f), v = {3, 3, 6, 6, 30, 30}, three(8), two(8);
  const auto tensors_of = [&](std::int64_t keys, std::vector<float>& o) {
    Tensors t;
    t[Role::q] = dense_view(q.data(), DType::f32, Layout::bhsd, 1, 4, 1, 2);
    t[Role::k] = dense_view(k.data(), DType::f32, Layout::bhsd, 1, 1, keys, 2);
    t[Role::v] = dense_view(v.data(), DType::f32, Layout::bhsd, 1, 1, keys, 2);
    t[Role::o] = dense_view(o.data(), DType::f32, Layout::bhsd, 1, 4, 1, 2);
    return t;
  };
  const auto execution = onednn_sdpa().prepare(problem, device);
  const auto first = execution->bind(tensors_of(3, three)), second = execution->bind(tensors_of(2, two));
  Binding* const bindings[] = {first.get(), second.get()};
  EXPECT_EQ(execution->time(bindings, 2, *device.make_queue()).runs, 2);
  EXPECT_THAT(three, Each(FloatNear(13, 1e-4f)));
  EXPECT_THAT(two, Each(FloatNear(4.5, 1e-4f)));
}

// oneDNN fuses where batch x heads > 2 x threads.
TEST_F(Onednn, SaysWhereOneDnnWouldNotFuse) {
  const auto problem = onednn_problem("mha", 8, 8, 16, 16);
  EXPECT_TRUE(onednn_sdpa().supports(problem, with_threads(3)));
  EXPECT_THAT(onednn_sdpa().supports(problem, with_threads(4)).reason(),
              HasSubstr("oneDNN does not fuse this: it takes larger_partition_kernel_t"));
  EXPECT_THAT(onednn_sdpa().supports(onednn_problem("gqa(kv=2)", 8, 2, 16, 16), with_threads(1)).reason(),
              HasSubstr("oneDNN does not fuse this"));
}

TEST_F(Onednn, WhatItsLogSaysIsNotPrinted) {
  testing::internal::CaptureStdout();
  onednn_sdpa().prepare(onednn_problem("mha", 5, 5, 3, 3), with_threads(1));
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
}

TEST_F(Onednn, SaysWhyItComputesSomethingNot) {
  const auto device = with_threads(1);
  auto problem = onednn_problem("mha", 8, 8, 2, 2);
  problem.shape.dtype_q = problem.shape.dtype_kv = problem.shape.dtype_o = DType::bf16;
  EXPECT_THAT(onednn_sdpa().supports(problem, device).reason(), HasSubstr("f32 only"));
  problem = onednn_problem("mha", 8, 8, 2, 2);
  problem.shape.head_dim_v = 3;
  EXPECT_THAT(onednn_sdpa().supports(problem, device).reason(), HasSubstr("head_dim_v = head_dim_qk"));
}

// Where it is missing, the list says which version is here and which one has it.
TEST(OnednnEngine, IsThereOrSaysWhichVersionHasIt) {
  const auto missing = missing_engines();
  const auto found = std::find_if(missing.begin(), missing.end(),
                                  [](const auto& engine) { return engine.name == "onednn"; });
  if (found == missing.end()) {
    EXPECT_NE(find_kernel({parse_mechanism("mha"), "sdpa", "onednn", ""}), nullptr);
  } else {
    EXPECT_THAT(found->reason, testing::AnyOf(HasSubstr("fuses attention from 3.5 on"), HasSubstr("macOS")));
  }
}

}  // namespace
}  // namespace attnbench
