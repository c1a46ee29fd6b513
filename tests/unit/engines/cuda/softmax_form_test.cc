#include "engines/cuda/fused/softmax_form.h"

#include <gtest/gtest.h>

#include <string>

namespace attnbench {
namespace {

using cuda::make_work_list;
using cuda::softmax_blocks;
using cuda::softmax_form;

Problem problem_of(const std::string& mechanism, std::int64_t batch, std::int64_t q_heads,
                   std::int64_t kv_heads, std::int64_t queries, std::int64_t keys, std::int64_t head_dim) {
  Problem problem;
  auto& s = problem.shape;
  s.batch = batch;
  s.num_q_heads = q_heads;
  s.seqlen_q = queries;
  s.seqlen_kv = keys;
  s.head_dim_qk = s.head_dim_v = head_dim;
  s.softmax_scale = 0.125;
  problem.mechanism = bind_kv_heads(parse_mechanism(mechanism), q_heads, kv_heads);
  return problem;
}

/// "rows x keys of a tile", and how: warps over rows and keys (mma), thread blocks of one item (wide), or
/// blocks that stay (stay).
std::string form_of(const Problem& problem) {
  const auto form = softmax_form(problem);
  const auto kind = form.wide ? std::string("wide")
                    : form.groups > 0
                        ? std::string("stay")
                        : "mma " + std::to_string(form.row_warps) + "x" + std::to_string(form.key_warps);
  return std::to_string(form.rows()) + "x" + std::to_string(form.tile_keys) + " " + kind;
}

TEST(CudaSoftmaxForm, IsTheFastestMeasured) {
  // On an H200; the one of 1024 keys and 16 heads was not measured: 256 units of 64 rows share 132
  // multiprocessors.
  struct Case {
    const char* mechanism;
    std::int64_t batch, q_heads, kv_heads, queries, keys, head_dim;
    const char* form;
  };
  for (const auto& c : {
           Case{"gqa(kv=8,causal)", 1, 32, 8, 1, 1024, 128, "16x64 mma 1x4"},
           Case{"gqa(kv=8,causal)", 1, 32, 8, 1, 131072, 128, "16x64 mma 1x4"},
           Case{"gqa(kv=8,causal)", 32, 32, 8, 1, 8192, 128, "16x64 mma 1x4"},
           Case{"gqa(kv=8,causal)", 1, 32, 8, 8, 4096, 128, "32x64 mma 2x2"},
           Case{"gqa(kv=8,causal)", 1, 64, 8, 8, 131072, 128, "64x64 stay"},
           Case{"swa(w=64)", 1, 8, 8, 512, 512, 64, "64x64 mma 4x1"},
           Case{"swa(w=64)", 1, 8, 8, 1024, 1024, 64, "64x64 mma 4x1"},
           Case{"swa(w=128)", 1, 8, 8, 8192, 8192, 64, "64x64 stay"},
           Case{"swa(w=256)", 1, 16, 16, 8192, 8192, 128, "128x128 stay"},
           Case{"swa(w=256)", 2, 16, 16, 8192, 8192, 128, "128x128 stay"},
           Case{"swa(w=1024)", 1, 16, 16, 8192, 8192, 128, "128x128 stay"},
           Case{"block_sparse(bs=128,globals=1)", 1, 16, 16, 32768, 32768, 128, "64x64 stay"},
           Case{"block_sparse(bs=32,globals=1)", 1, 8, 8, 1024, 1024, 64, "64x64 mma 4x1"},
           Case{"mha", 1, 8, 8, 1024, 1024, 64, "64x128 stay"},
           Case{"mha", 1, 16, 16, 1024, 1024, 64, "128x128 wide"},
           Case{"mha", 1, 16, 16, 2048, 2048, 64, "128x128 wide"},
           Case{"mha", 1, 16, 16, 2048, 2048, 128, "128x128 wide"},
           Case{"mha", 1, 16, 16, 8192, 8192, 64, "128x128 wide"},
           Case{"mha(causal)", 1, 16, 16, 8192, 8192, 128, "128x128 wide"},
       }) {
    EXPECT_EQ(form_of(problem_of(c.mechanism, c.batch, c.q_heads, c.kv_heads, c.queries, c.keys, c.head_dim)),
              c.form)
        << c.mechanism << " batch " << c.batch << " queries " << c.queries << " keys " << c.keys
        << " head_dim " << c.head_dim;
  }
}

TEST(CudaSoftmaxForm, StaysOnlyWhereBoxesCanBeCopied) {
  auto problem = problem_of("swa(w=256)", 1, 16, 16, 8192, 8192, 128);
  problem.shape.softmax_scale = -0.125;
  EXPECT_EQ(form_of(problem), "64x64 mma 4x1");
  problem.shape.softmax_scale = 0.125;
  problem.shape.seqlens_kv = {8192};
  EXPECT_EQ(form_of(problem), "64x64 mma 4x1");
  // Three query heads a kv head: 64 rows hold no whole number of queries.
  EXPECT_EQ(form_of(problem_of("swa(w=256)", 1, 48, 16, 8192, 8192, 128)), "64x64 mma 4x1");
  EXPECT_EQ(form_of(problem_of("gqa(kv=8,causal)", 1, 96, 8, 4, 131072, 128)), "64x64 mma 4x1");
}

TEST(CudaSoftmaxForm, WindowsBeyondThoseMeasuredAreWide) {
  EXPECT_EQ(form_of(problem_of("swa(w=4096)", 1, 16, 16, 8192, 8192, 128)), "128x128 wide");
  EXPECT_EQ(form_of(problem_of("swa(w=2000)", 1, 16, 16, 8192, 8192, 128)), "128x128 stay");
}

TEST(CudaSoftmaxForm, ShortCachesGetOneBlockAMultiprocessor) {
  // Slots: two blocks on each of 132 multiprocessors. Parts of a kv head, of eight.
  const auto parts = [](std::int64_t batch, std::int64_t queries, std::int64_t keys) {
    const auto problem = problem_of("gqa(kv=8,causal)", batch, 32, 8, queries, keys, 128);
    return make_work_list(problem, keys, softmax_blocks(softmax_form(problem), problem, 264)).parts;
  };
  EXPECT_EQ(parts(1, 1, 1024), 16);  // a tile each
  EXPECT_EQ(parts(1, 1, 4096), 16);  // of 132 / 8 = 16.5
  EXPECT_EQ(parts(1, 8, 4096), 16);
  EXPECT_EQ(parts(1, 1, 131072), 33);  // of 264 / 8
  EXPECT_EQ(parts(32, 1, 8192), 0);    // 256 units for 264 slots
}

}  // namespace
}  // namespace attnbench
