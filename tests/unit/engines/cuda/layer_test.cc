// Layer scope of engine cuda, as far as it needs no GPU.

#include <gtest/gtest.h>

#include "attnbench/registry.h"

namespace attnbench {
namespace {

Problem cuda_layer(const char* mechanism) {
  Problem p;
  p.shape = {.batch = 2,
             .num_q_heads = 4,
             .seqlen_q = 128,
             .seqlen_kv = 128,
             .head_dim_qk = 64,
             .head_dim_v = 64,
             .dtype_q = DType::bf16,
             .dtype_kv = DType::bf16,
             .dtype_o = DType::bf16,
             .softmax_scale = 0.125,
             .d_model = 512};
  p.mechanism = bind_kv_heads(parse_mechanism(mechanism), 4, 0);
  p.scope = Scope::layer;
  return p;
}

const KernelInfo& cuda_kernel(const char* mechanism, const char* name) {
  return *find_kernel({parse_mechanism(mechanism), name, "cuda", ""});
}

TEST(CudaLayer, AddsFourProjectionsToTheCore) {
  // 2 x 128 rows of 512: Q and O of 4 x 64, K and V of 4 (mha) or 2 (gqa) x 64.
  const double mha = 2.0 * (2 * 128) * 512 * (4 * 256);
  const double gqa = 2.0 * (2 * 128) * 512 * (2 * 256 + 2 * 128);
  // Scores and values of 2 x 4 heads over all pairs.
  const double pairs = 2.0 * (2 * 4) * 128 * 128 * (64 + 64);
  EXPECT_EQ(cuda_kernel("mha", "unfused").executed_flops(cuda_layer("mha")), mha + pairs);
  EXPECT_EQ(cuda_kernel("gqa(kv=2)", "unfused").executed_flops(cuda_layer("gqa(kv=2)")), gqa + pairs);
  // Tiles of 64 keys divide 128.
  EXPECT_EQ(cuda_kernel("mha", "fused").executed_flops(cuda_layer("mha")), mha + pairs);
}

}  // namespace
}  // namespace attnbench
