#include "engines/cuda/fused/linear_chunk.h"

#include <gtest/gtest.h>

namespace attnbench::cuda {
namespace {

// Of 132 blocks at once and 16 heads, 8 chunks each are 128 blocks; 9 would be a second round.
TEST(LinearChunk, FillsTheDeviceOnce) { EXPECT_EQ(linear_chunk(32768, 128, 16, 132), 32768 / 8); }

TEST(LinearChunk, IsWholeTiles) {
  EXPECT_EQ(linear_chunk(1, 128, 2, 132), 128);
  EXPECT_EQ(linear_chunk(1000, 64, 3, 264), 64);
  EXPECT_EQ(linear_chunk(4096, 64, 8, 264), 2 * 64);  // 32 chunks: 64 would be two rounds
}

// 256 heads are two rounds uncut, of 16 tiles; four of 8 start more often.
TEST(LinearChunk, LeavesManyHeadsWhole) { EXPECT_EQ(linear_chunk(2048, 128, 256, 132), 2048); }

// 160 heads of 8 tiles: two rounds uncut leave most of the second idle; three of 4 tiles are shorter.
TEST(LinearChunk, CutsHeadsThatFillARoundAndALittle) { EXPECT_EQ(linear_chunk(1001, 128, 160, 132), 512); }

}  // namespace
}  // namespace attnbench::cuda
