#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "attnbench/cpu_device.h"
#include "attnbench/registry.h"
#include "reference/inputs.h"
#include "reference/oracle.h"
#include "run/verification/check.h"

/// Windows, blocks and globals beyond any sequence are the sequence: for every registered kernel the result
/// is the oracle's, and work and memory are no more than with parameters of twice its length.
namespace attnbench {
namespace {

struct HugeCase {
  const char* mechanism;
  const char* same;  ///< with parameters of no more than twice the sequence
};

const std::vector<HugeCase> kHuge = {
    {"swa(w=5000)", "swa(w=66)"},
    {"swa(w=4611686018427387904)", "swa(w=66)"},
    {"swa(w=9223372036854775807)", "swa(w=66)"},
    {"swa(w=5000,causal)", "swa(w=66,causal)"},
    {"swa(w=9223372036854775807,causal)", "swa(w=66,causal)"},
    {"block_sparse(bs=4611686018427387904,globals=1)", "block_sparse(bs=66,globals=1)"},
    {"block_sparse(bs=9223372036854775807,globals=1,causal)", "block_sparse(bs=66,globals=1,causal)"},
    {"block_sparse(bs=8,globals=4611686018427387904)", "block_sparse(bs=8,globals=66)"},
    {"block_sparse(bs=8,globals=9223372036854775807,causal)", "block_sparse(bs=8,globals=66,causal)"},
    {"block_sparse(bs=9223372036854775807,globals=9223372036854775807)", "block_sparse(bs=66,globals=66)"},
};

Problem problem_of(const char* mechanism, std::int64_t seqlen_q, DType dtype) {
  Problem problem;
  auto& s = problem.shape;
  s.num_q_heads = 2;
  s.seqlen_q = seqlen_q;
  s.seqlen_kv = 33;
  s.head_dim_qk = s.head_dim_v = 32;
  s.dtype_q = s.dtype_kv = s.dtype_o = dtype;
  s.softmax_scale = 0.2;
  problem.mechanism = bind_kv_heads(parse_mechanism(mechanism), 2, 1);
  problem.phase = seqlen_q == 33 ? Phase::prefill : Phase::decode;
  validate(problem);
  return problem;
}

TEST(HugeParameters, AreTheSequenceForEveryKernel) {
  int run = 0;
  for (const auto& huge : kHuge) {
    for (const auto dtype : kDTypes) {
      for (const std::int64_t seqlen_q : {1, 33, 40}) {
        const auto problem = problem_of(huge.mechanism, seqlen_q, dtype);
        const auto same = problem_of(huge.same, seqlen_q, dtype);
        EXPECT_EQ(work(problem).useful_flops, work(same).useful_flops) << huge.mechanism;
        for (const std::int64_t keys : {33, 20}) {
          auto data = reference::make_data(problem, reference::InputKind::normal, 1, true);
          data.tensors[Role::k].sizes[2] = data.tensors[Role::v].sizes[2] = keys;
          const auto expected = expect(problem, data.tensors, reference::sample_rows(problem));
          for (const auto* kernel : kernels()) {
            const auto kinds = kernel->mechanisms();
            if (std::find(kinds.begin(), kinds.end(), problem.mechanism.kind) == kinds.end()) continue;
            const auto device = cpu_device(1);
            if (!kernel->supports(problem, device)) continue;
            SCOPED_TRACE(kernel_id(problem.mechanism, *kernel) + " q " + std::to_string(seqlen_q) + " keys " +
                         std::to_string(keys));
            EXPECT_EQ(kernel->executed_flops(problem), kernel->executed_flops(same));
            EXPECT_EQ(kernel->workspace_bytes(problem, device), kernel->workspace_bytes(same, device));
            if (kernel->other_function(problem).empty()) {
              EXPECT_EQ(check_kernel(*kernel, problem, device, data.tensors, expected).reason, "");
            }
            ++run;
          }
        }
      }
    }
  }
  EXPECT_GE(run, 150);
}

/// A window that the sequence holds keeps all its places, those outside the sequence too, as published.
TEST(HugeParameters, AWindowWithinTheSequenceKeepsItsPlaces) {
  for (const auto& [mechanism, places] :
       {std::pair("swa(w=32)", 33), std::pair("swa(w=8)", 9), std::pair("swa(w=33,causal)", 33),
        std::pair("swa(w=7,causal)", 7), std::pair("swa(w=34)", 33), std::pair("swa(w=34,causal)", 33)}) {
    const auto problem = problem_of(mechanism, 33, DType::f32);
    const auto* gather = find_kernel({problem.mechanism, "gather", "cpu", ""});
    ASSERT_NE(gather, nullptr);
    EXPECT_EQ(gather->executed_flops(problem), 2.0 * 2 * 33 * places * 64) << mechanism;
  }
}

}  // namespace
}  // namespace attnbench
