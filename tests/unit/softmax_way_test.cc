// Which of a path's kernels computes a block, and what that one multiplies.
#include <gtest/gtest.h>

#include "engines/cpu/fused/softmax/block.h"
#include "engines/cpu/fused/softmax/execution.h"

namespace attnbench::cpu::fused {
namespace {

SoftmaxPath path_with_decode() {
  SoftmaxPath path{};
  path.few_rows = 8;
  path.packed_keys = 32;
  path.decode_block_rows = 5;
  path.decode_rows = 32;
  return path;
}

TEST(SoftmaxWay, DecodeHasBlocksOfFewRowsThatReadManyKeys) {
  const auto path = path_with_decode();
  EXPECT_EQ(way_of(path, 4, 4, 10000), Way::few);
  EXPECT_EQ(way_of(path, 5, 5, 40), Way::decode);
  EXPECT_EQ(way_of(path, 5, 5, 39), Way::few);
  EXPECT_EQ(way_of(path, 9, 9, 72), Way::decode);
  EXPECT_EQ(way_of(path, 9, 9, 71), Way::tile);
  EXPECT_EQ(way_of(path, 32, 32, 256), Way::decode);
  EXPECT_EQ(way_of(path, 32, 33, 10000), Way::tile);
  EXPECT_EQ(way_of(path, 1, 33, 10000), Way::few);
}

Problem five_rows(const char* mechanism) {
  Problem problem;
  problem.mechanism = parse_mechanism(mechanism);
  problem.mechanism.num_kv_heads = 1;
  auto& s = problem.shape;
  s.batch = 1;
  s.num_q_heads = 5;
  s.seqlen_q = 1;
  s.seqlen_kv = 101;
  s.head_dim_qk = s.head_dim_v = 64;
  return problem;
}

/// 16 rows are multiplied where there are 5; 4 operations for each of them, key and element.
TEST(SoftmaxWay, DecodeMultipliesUnitsFromTheFirstKey) {
  EXPECT_EQ(executed_softmax_flops(path_with_decode(), five_rows("gqa(kv=1)")), 128 * 16 * 4 * 64.0);
  // Keys 37 to 100: two units, where units at multiples of 32 would be three.
  EXPECT_EQ(executed_softmax_flops(path_with_decode(), five_rows("swa(w=64,causal)")), 64 * 16 * 4 * 64.0);
}

}  // namespace
}  // namespace attnbench::cpu::fused
