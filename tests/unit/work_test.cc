#include <gtest/gtest.h>

#include "attnbench/problem.h"

namespace attnbench {
namespace {

/// One query of 2 heads over 4096 keys of 2 kv heads, head_dim_qk 8, head_dim_v 4, f32.
Problem one_query(const char* mechanism) {
  Problem problem;
  problem.shape = {.batch = 1,
                   .num_q_heads = 2,
                   .seqlen_q = 1,
                   .seqlen_kv = 4096,
                   .head_dim_qk = 8,
                   .head_dim_v = 4,
                   .softmax_scale = 1};
  problem.mechanism = bind_kv_heads(parse_mechanism(mechanism), 2, 0);
  problem.phase = Phase::decode;
  return problem;
}

// Query and output: 2 heads (8 + 4) 4 bytes = 96. A key with its value, of both kv heads: 2 (8 + 4) 4 = 96.
TEST(Work, BytesAreThoseOfKeysThatSomeQueryMaySee) {
  const auto bytes = [](const char* mechanism) { return work(one_query(mechanism)).compulsory_bytes; };
  EXPECT_EQ(bytes("mha"), 96 + 4096 * 96);
  EXPECT_EQ(bytes("mha(causal)"), 96 + 4096 * 96);
  EXPECT_EQ(bytes("mqa"), 96 + 4096 * 48);
  EXPECT_EQ(bytes("linear"), 96 + 4096 * 96);
  EXPECT_EQ(bytes("swa(w=64)"), 96 + 33 * 96);         // keys 4063..4095
  EXPECT_EQ(bytes("swa(w=64,causal)"), 96 + 64 * 96);  // keys 4032..4095
  EXPECT_EQ(bytes("swa(w=9000)"), 96 + 4096 * 96);
  EXPECT_EQ(bytes("block_sparse(bs=32,globals=1)"), 96 + 33 * 96);  // keys 0 and 4064..4095
  EXPECT_EQ(bytes("block_sparse(bs=32,globals=5000)"), 96 + 4096 * 96);
}

TEST(Work, BytesOfSeveralQueriesAndOfSequencesOfTheirOwnLength) {
  auto problem = one_query("swa(w=4)");
  problem.shape.batch = 3;
  problem.shape.seqlen_q = 3;
  problem.shape.seqlens_kv = {4096, 2, 0};
  // Sequence 0: 3 queries at 4093..4095 see keys 4091..4095. Sequence 1: its 2 keys, seen by 2 of the
  // queries, the third is before the first key. Sequence 2: none sees any. All 9 outputs are written.
  const double queries = 2 * (3 + 2) * 8 * 4;
  const double outputs = 2 * 9 * 4 * 4;
  const double keys = (5 + 2) * 96;
  EXPECT_EQ(work(problem).compulsory_bytes, queries + outputs + keys);
}

// Weights: q, k, v and output projections of 16 x 2 heads (8 + 4), and the same for kv: 16 * (24 + 24) * 4
// bytes.
TEST(Work, BytesOfALayerAreThoseOfTheRowsOfXThatMatter) {
  auto problem = one_query("swa(w=4)");
  problem.scope = Scope::layer;
  problem.phase = Phase::prefill;
  problem.shape.d_model = 16;
  problem.shape.seqlen_q = problem.shape.seqlen_kv = 10;
  const double weights = 16 * (24 + 24) * 4;
  EXPECT_EQ(work(problem).compulsory_bytes, weights + 10 * 16 * (4 + 4));
  problem.shape.seqlens_kv = {3};  // keys are rows 0..2, queries that see one are rows 7..9
  EXPECT_EQ(work(problem).compulsory_bytes, weights + 6 * 16 * 4 + 10 * 16 * 4);
}

}  // namespace
}  // namespace attnbench
