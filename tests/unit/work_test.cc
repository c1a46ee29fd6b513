#include <gtest/gtest.h>

#include <string>

#include "attnbench/kernel.h"
#include "attnbench/problem.h"
#include "attnbench/registry.h"

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

double moved(const std::string& mechanism, const std::string& kernel, Problem problem) {
  problem.mechanism = bind_kv_heads(parse_mechanism(mechanism), problem.shape.num_q_heads,
                                    mechanism.starts_with("gqa") ? 1 : 0);
  for (const auto* candidate : kernels()) {
    if (candidate->engine() == "cpu" && candidate->kernel() == kernel &&
        (candidate->path().empty() || candidate->path() == "portable") &&
        computes(*candidate, problem.mechanism.kind))
      return candidate->moved_bytes(problem).value_or(-1);
  }
  return -2;
}

// f32, 2 heads of dimension 8, 4 queries and keys. A row of q and o, or of k and v: 64 bytes, 8 of each. A
// score is written and read as score and as weight: 16 bytes.
TEST(Work, MovedBytesAreThoseOfOperandsAndResults) {
  Problem problem;
  problem.shape = {
      .batch = 1, .num_q_heads = 2, .seqlen_q = 4, .seqlen_kv = 4, .head_dim_qk = 8, .head_dim_v = 8};
  problem.shape.softmax_scale = 1;
  EXPECT_EQ(moved("mha", "unfused", problem), 64 * (8 + 8) + 16 * 32);
  EXPECT_EQ(moved("gqa(kv=1)", "unfused", problem), 64 * (8 + 3 * 8) + 16 * 32) << "read, repeated, read";
  EXPECT_EQ(moved("swa(w=2)", "masked", problem), 64 * (8 + 8) + 16 * 32);
  EXPECT_EQ(moved("swa(w=2)", "gather", problem), 64 * (8 + 3 * 24) + 16 * 24) << "windows of 3 keys, copied";
  EXPECT_EQ(moved("mha", "fused", problem), 64 * (8 + 8));
  problem.scope = Scope::layer;
  EXPECT_EQ(moved("mha", "unfused", problem), -1) << "not told";
}

// 33 rows of one head are two blocks, each of which reads the keys.
TEST(Work, EachBlockOfAFusedKernelReadsItsKeys) {
  Problem problem;
  problem.shape = {
      .batch = 1, .num_q_heads = 1, .seqlen_q = 33, .seqlen_kv = 33, .head_dim_qk = 8, .head_dim_v = 8};
  problem.shape.softmax_scale = 1;
  EXPECT_EQ(moved("mha", "fused", problem), 64 * (33 + 2 * 33));
}

}  // namespace
}  // namespace attnbench
