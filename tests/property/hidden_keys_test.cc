#include "support/hidden_keys.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "attnbench/cpu_device.h"
#include "attnbench/registry.h"

/// Every registered kernel that is made here, on masks that hide keys beside visible ones of the same tile,
/// block or chunk.
namespace attnbench {
namespace {

struct MaskCase {
  const char* mechanism;
  std::int64_t heads, kv_heads, seqlen_q, seqlen_kv;
};

const std::vector<MaskCase> kMasks = {
    {"mha(causal)", 2, 0, 129, 129},
    {"gqa(kv=1,causal)", 3, 1, 70, 150},
    {"mqa(causal)", 2, 0, 40, 33},
    {"swa(w=9)", 2, 0, 129, 129},
    {"swa(w=100,causal)", 1, 0, 150, 150},
    {"block_sparse(bs=7,globals=2)", 2, 0, 100, 100},
    {"block_sparse(bs=40,globals=0,causal)", 1, 0, 129, 129},
    {"causal_linear", 2, 0, 129, 129},
    {"causal_linear", 2, 0, 40, 33},
};

TEST(HiddenKeys, DoNotMatterToAnyKernelMadeHere) {
  int run = 0;
  for (const auto& mask : kMasks) {
    for (const auto dtype : kDTypes) {
      Problem problem;
      auto& s = problem.shape;
      s.num_q_heads = mask.heads;
      s.seqlen_q = mask.seqlen_q;
      s.seqlen_kv = mask.seqlen_kv;
      s.head_dim_qk = s.head_dim_v = 32;
      s.dtype_q = s.dtype_kv = s.dtype_o = dtype;
      s.softmax_scale = 1 / std::sqrt(32.0);
      problem.mechanism = bind_kv_heads(parse_mechanism(mask.mechanism), mask.heads, mask.kv_heads);
      problem.phase = mask.seqlen_q == mask.seqlen_kv ? Phase::prefill : Phase::decode;
      validate(problem);
      for (const auto* kernel : kernels()) {
        const auto kinds = kernel->mechanisms();
        if (std::find(kinds.begin(), kinds.end(), problem.mechanism.kind) == kinds.end()) continue;
        // Others add -inf to scores that may be infinite.
        if (!kernel->made_here() || !kernel->supports(problem, cpu_device(1))) continue;
        test::expect_hidden_keys_do_not_matter(*kernel, problem);
        ++run;
      }
    }
  }
  EXPECT_GE(run, 45);
}

}  // namespace
}  // namespace attnbench
