#include <gtest/gtest.h>

#include <string>

#include "engines/cpu/fused/softmax/geometry.h"
#include "engines/cpu/fused/softmax/spans.h"

namespace attnbench::cpu::fused {
namespace {

struct Mask {
  std::string mechanism;
  std::int64_t group, seqlen_q, keys;
};

const Mask kMasks[] = {
    {"mha", 1, 129, 129},
    {"mha(causal)", 3, 33, 77},
    {"mha(causal)", 1, 129, 33},
    {"swa(w=64)", 1, 200, 200},
    {"swa(w=7,causal)", 2, 50, 61},
    {"swa(w=33)", 1, 1, 777},
    {"block_sparse(bs=32,globals=1)", 1, 200, 200},
    {"block_sparse(bs=7,globals=40)", 3, 50, 50},
    {"block_sparse(bs=20,globals=300,causal)", 1, 60, 70},
};

/// Every row is in exactly one block or sees no key, and a block's spans hold exactly what its rows may see:
/// nothing allowed is missing, and what `full` promises is allowed to each row.
TEST(FusedGeometry, BlocksAndPiecesCoverTheMask) {
  for (const auto& mask : kMasks) {
    SCOPED_TRACE(mask.mechanism);
    const auto mechanism = parse_mechanism(mask.mechanism);
    const HeadGeometry head(mechanism, mask.group, mask.seqlen_q, mask.keys);
    const auto allowed = [&](std::int64_t row) {
      return allowed_keys(mechanism, row / mask.group + mask.keys - mask.seqlen_q, mask.keys);
    };
    std::int64_t row = head.first_row();
    for (std::int64_t r = 0; r < row; ++r) ASSERT_EQ(allowed(r).size(), 0);
    std::int64_t blocks = 0;
    for (; row < head.rows(); ++blocks) {
      const auto end = head.block_end(row);
      ASSERT_GT(end, row);
      ASSERT_LE(end - row, kLanes);
      const auto pieces = cut_pieces(head, row, end, {0, mask.keys});
      for (auto r = row; r < end; ++r) {
        const auto seen = allowed(r);
        ASSERT_EQ(seen.globals.size(), allowed(row).globals.size());
        const bool high = r - row >= kHalfLanes;
        for (std::int64_t key = 0; key < mask.keys; ++key) {
          const bool may_see = key >= seen.local.begin && key < seen.local.end;
          int held = 0;
          for (const auto& piece : pieces.view()) {
            if (piece.halves == (high ? Halves::low : Halves::high)) continue;
            if (key < piece.keys.begin || key >= piece.keys.end) continue;
            ++held;
            if (key >= piece.full.begin && key < piece.full.end) {
              EXPECT_TRUE(may_see) << r << ' ' << key;
            }
          }
          ASSERT_LE(held, 1);
          ASSERT_TRUE(held == 1 || !may_see) << r << ' ' << key;
        }
      }
      row = end;
    }
    EXPECT_EQ(row, std::max(head.rows(), head.first_row()));
    EXPECT_EQ(blocks, head.blocks());
  }
}

TEST(FusedGeometry, AWindowSkipsKeysForSixteenLanesAtATime) {
  const HeadGeometry head(parse_mechanism("swa(w=64)"), 1, 1024, 1024);
  const auto pieces = cut_pieces(head, 512, 544, {0, 1024});
  // Row 512 sees 480 .. 544, row 543 sees 511 .. 575.
  ASSERT_EQ(pieces.count, 3);
  EXPECT_EQ(pieces.piece[0].keys.begin, 480);
  EXPECT_EQ(pieces.piece[0].keys.end, 496);
  EXPECT_EQ(pieces.piece[1].keys.end, 560);
  EXPECT_EQ(pieces.piece[2].keys.end, 576);
  EXPECT_EQ(pieces.piece[0].halves, Halves::low);
  EXPECT_EQ(pieces.piece[2].halves, Halves::high);
}

TEST(FusedGeometry, PartsOfABlocksKeysJoinWithoutGaps) {
  const HeadGeometry head(parse_mechanism("mha"), 8, 1, 5000);
  for (const int parts : {1, 2, 3, 7}) {
    std::int64_t at = 0;
    for (int part = 0; part < parts; ++part) {
      const auto keys = part_of_keys(head, 0, 8, part, parts);
      EXPECT_EQ(keys.begin, at);
      at = keys.end;
    }
    EXPECT_EQ(at, 5000);
  }
}

}  // namespace
}  // namespace attnbench::cpu::fused
