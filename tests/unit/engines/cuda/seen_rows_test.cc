#include "engines/cuda/fused/seen_rows.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "reference/mask.h"

namespace attnbench {
namespace {

using cuda::Blocks;
using cuda::make_work_list;
using cuda::seen_by_rows;
using cuda::seen_of_item;

/// Tile by tile and 64 rows at a time, as kernels go through an item: what a row is shown is what it may see.
void expect_what_may_be_seen(const Problem& problem, const Blocks& blocks) {
  const auto& s = problem.shape;
  const auto queries = static_cast<std::int32_t>(s.seqlen_q);
  const auto group = static_cast<std::int32_t>(s.num_q_heads / problem.mechanism.num_kv_heads);
  const auto mask = cuda::mask_of(problem.mechanism);
  const auto keys = blocks.tile_keys;
  std::int64_t shown = 0, may = 0;
  for (const auto& item : make_work_list(problem, s.seqlen_kv, blocks).items) {
    const auto base = item.first_row / blocks.rows * blocks.rows;
    for (auto rows = base; rows < base + blocks.rows; rows += 64) {
      const auto seen = seen_by_rows(item, mask, queries, group, rows, rows + 63);
      for (std::int32_t tile = 0; tile < item.tiles(); ++tile) {
        const bool global = tile < item.global_tiles();
        const auto first =
            global ? item.global_begin + tile * keys : item.begin + (tile - item.global_tiles()) * keys;
        for (auto row = std::max(rows, item.first_row); row < std::min(rows + 64, item.end_row); ++row) {
          const auto mine = seen_of_item(item, mask, queries, group, row);
          for (auto key = first; key < first + keys; ++key) {
            const bool visible = global ? key < mine.globals : key >= mine.begin && key < mine.end;
            if (visible) {
              EXPECT_TRUE(reference::may_see(problem.mechanism, row / group + item.keys - queries, key));
              EXPECT_TRUE(seen.any(global, first, keys)) << "row " << row << ", key " << key;
              ++shown;
            } else {
              EXPECT_FALSE(seen.all(global, first, keys)) << "row " << row << ", key " << key;
            }
          }
        }
      }
    }
  }
  for (std::int32_t row = 0; row < queries * group; ++row) {
    for (std::int64_t key = 0; key < s.seqlen_kv; ++key)
      may += reference::may_see(problem.mechanism, row / group + s.seqlen_kv - queries, key);
  }
  EXPECT_EQ(shown, may);
}

TEST(CudaSeenRows, ShowsEachPairOnce) {
  for (const auto* mechanism :
       {"gqa(kv=1)", "gqa(kv=1,causal)", "swa(w=30)", "swa(w=300)", "swa(w=100,causal)",
        "block_sparse(bs=40,globals=0)", "block_sparse(bs=40,globals=70)", "block_sparse(bs=128,globals=1)",
        "block_sparse(bs=7,globals=3,causal)", "block_sparse(bs=7,globals=80,causal)"}) {
    for (const auto& [queries, keys] : {std::pair{150, 150}, {300, 300}, {3, 500}, {90, 35}, {1, 1}}) {
      for (const auto& blocks : {Blocks{128, 132, 16, 64}, Blocks{128, 40, 1, 128}, Blocks{192, 132, 1, 64},
                                 Blocks{64, 396, 1, 64}}) {
        SCOPED_TRACE(testing::Message() << mechanism << ' ' << queries << " x " << keys << " rows "
                                        << blocks.rows << " keys " << blocks.tile_keys);
        Problem problem;
        auto& s = problem.shape;
        s.num_q_heads = 2;
        s.seqlen_q = queries;
        s.seqlen_kv = keys;
        s.softmax_scale = 1;
        problem.mechanism = bind_kv_heads(parse_mechanism(mechanism), 2, 1);
        expect_what_may_be_seen(problem, blocks);
      }
    }
  }
}

}  // namespace
}  // namespace attnbench
