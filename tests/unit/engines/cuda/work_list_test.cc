#include "engines/cuda/fused/work_list.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "reference/mask.h"

namespace attnbench {
namespace {

using cuda::Blocks;
using cuda::make_work_list;
using cuda::WorkItem;
using cuda::WorkList;

Problem problem_of(const std::string& mechanism, std::int64_t q_heads, std::int64_t kv_heads,
                   std::int64_t queries, std::int64_t keys) {
  Problem problem;
  auto& s = problem.shape;
  s.num_q_heads = q_heads;
  s.seqlen_q = queries;
  s.seqlen_kv = keys;
  s.softmax_scale = 1;
  problem.mechanism = bind_kv_heads(parse_mechanism(mechanism), q_heads, kv_heads);
  return problem;
}

/// Keys of an item, each once; fails where a key comes twice.
std::set<std::int32_t> keys_of(const WorkItem& item) {
  std::set<std::int32_t> keys;
  for (auto key = item.global_begin; key < item.global_end; ++key) EXPECT_TRUE(keys.insert(key).second);
  for (auto key = item.begin; key < item.end; ++key) EXPECT_TRUE(keys.insert(key).second) << key;
  return keys;
}

/// Every pair that the mask allows is in one item, and what an item calls full is seen by all its rows.
void expect_each_pair_once(const Problem& problem, std::int64_t keys, const Blocks& blocks) {
  const auto list = make_work_list(problem, keys, blocks);
  const auto& s = problem.shape;
  const auto group = s.num_q_heads / problem.mechanism.num_kv_heads;
  std::map<std::pair<std::int32_t, std::int32_t>, std::set<std::int32_t>> by_unit;
  for (const auto& item : list.items) {
    auto& unit = by_unit[{item.batch, item.first_row}];
    for (const auto key : keys_of(item)) {
      EXPECT_TRUE(unit.insert(key).second) << "key " << key << " is in two parts";
    }
  }
  for (std::int64_t b = 0; b < s.batch; ++b) {
    const auto used = s.seqlens_kv.empty() ? keys : s.seqlens_kv[static_cast<std::size_t>(b)];
    for (std::int64_t row = 0; row < s.seqlen_q * group; ++row) {
      const auto item = std::find_if(list.items.begin(), list.items.end(), [&](const WorkItem& i) {
        return i.batch == b && i.first_row <= row && row < i.end_row;
      });
      ASSERT_NE(item, list.items.end()) << "row " << row << " is in no unit";
      EXPECT_LE(item->end_row, item->first_row / blocks.rows * blocks.rows + blocks.rows);
      const auto& unit = by_unit.at({static_cast<std::int32_t>(b), item->first_row});
      for (std::int64_t key = 0; key < used; ++key) {
        if (!reference::may_see(problem.mechanism, row / group + used - s.seqlen_q, key)) continue;
        EXPECT_TRUE(unit.contains(static_cast<std::int32_t>(key))) << "row " << row << ", key " << key;
      }
      EXPECT_TRUE(unit.empty() || *unit.rbegin() < used);
    }
  }
  for (const auto& item : list.items) {
    for (std::int64_t row = item.first_row; row < item.end_row; ++row) {
      for (auto key = item.full_begin; key < item.full_end; ++key) {
        EXPECT_TRUE(reference::may_see(problem.mechanism, row / group + item.keys - s.seqlen_q, key));
      }
    }
  }
}

TEST(CudaWorkList, HoldsEachPairOnce) {
  for (const auto* mechanism :
       {"gqa(kv=2)", "gqa(kv=2,causal)", "swa(w=30)", "swa(w=300,causal)", "block_sparse(bs=40,globals=0)",
        "block_sparse(bs=40,globals=70)", "block_sparse(bs=7,globals=3,causal)"}) {
    for (const auto& [queries, keys] : {std::pair{150, 150}, {3, 500}, {90, 35}, {1, 1}}) {
      for (const auto& blocks : {Blocks{64, 1, 1}, Blocks{16, 40, 1}, Blocks{32, 500, 3}, Blocks{16, 132, 1},
                                 Blocks{128, 132, 1, 128, false}}) {
        SCOPED_TRACE(testing::Message() << mechanism << ' ' << queries << " x " << keys << " rows "
                                        << blocks.rows << " slots " << blocks.slots);
        expect_each_pair_once(problem_of(mechanism, 6, 2, queries, keys), keys, blocks);
      }
    }
  }
}

TEST(CudaWorkList, TakesLengthsByBatchEntryAndFewerKeys) {
  auto problem = problem_of("gqa(kv=1,causal)", 3, 1, 5, 200);
  expect_each_pair_once(problem, 77, {16, 132, 1});
  problem.shape.batch = 4;
  problem.shape.seqlens_kv = {200, 0, 3, 64};
  expect_each_pair_once(problem, 200, {16, 132, 1});
}

TEST(CudaWorkList, SplitsALongCacheOverTheDevice) {
  // 8 kv heads, 132 blocks at once: 16 blocks a head, of 131072 / 64 / 16 = 128 tiles each.
  const auto list = make_work_list(problem_of("gqa(kv=8,causal)", 32, 8, 1, 131072), 131072, {16, 132, 1});
  EXPECT_EQ(list.parts, 16);
  ASSERT_EQ(list.items.size(), 16U);
  for (std::int32_t part = 0; part < 16; ++part) {
    const auto& item = list.items[static_cast<std::size_t>(part)];
    EXPECT_EQ(item.part, part);
    EXPECT_EQ(item.tiles(), 128);
    EXPECT_EQ(item.begin, part * 8192);
  }
}

TEST(CudaWorkList, LeavesUnitsOfLikeLengthWhole) {
  // 32 x 8 caches of 128 tiles, one block each, where 132 blocks run at once.
  auto problem = problem_of("gqa(kv=8,causal)", 32, 8, 1, 8192);
  problem.shape.batch = 32;
  const auto list = make_work_list(problem, 8192, {16, 132, 1});
  EXPECT_EQ(list.parts, 0);
  EXPECT_EQ(list.items.size(), 32U);
}

TEST(CudaWorkList, LeavesShortUnitsWhole) {
  // 8 units of 64 queries that see 128 keys or fewer: merging would take longer than two tiles.
  const auto list = make_work_list(problem_of("swa(w=64)", 8, 8, 512, 512), 512, {64, 264, 16});
  EXPECT_EQ(list.items.size(), 8U);
  EXPECT_EQ(list.parts, 0);
}

TEST(CudaWorkList, SplitsTheGlobalRowsOfBlocks) {
  // The global query sees all 32768 keys, 512 tiles, and 512 units of other queries 3 tiles each.
  const auto list = make_work_list(problem_of("block_sparse(bs=128,globals=1)", 16, 16, 32768, 32768), 32768,
                                   {64, 264, 16});
  // On average 4 tiles a unit; eight rounds of 264 blocks are 16 tiles each.
  EXPECT_EQ(list.parts, 32);
  EXPECT_EQ(list.items.front().tiles(), 16);
  EXPECT_EQ(list.items.back().tiles(), 3);
  EXPECT_EQ(list.items.size(), 512U + 32U);
}

TEST(CudaWorkList, OrdersItemsByKey) {
  // Parts of the global query's 512 tiles, 16 tiles or 1024 keys each, lie before the 8 blocks of 128 keys
  // whose tiles they hold, of which each has two units of 64 rows.
  const auto list = make_work_list(problem_of("block_sparse(bs=128,globals=1)", 16, 16, 32768, 32768), 32768,
                                   {64, 264, 16, 64, true, true});
  ASSERT_EQ(list.items.size(), 512U + 32U);
  for (std::size_t n = 17; n < list.items.size(); n += 17) {
    EXPECT_EQ(list.items[n].parts, 32) << n;
    EXPECT_EQ(list.items[n].begin, static_cast<std::int32_t>(n / 17 * 1024));
    EXPECT_EQ(list.items[n + 1].parts, 1) << n;
    EXPECT_EQ(list.items[n + 1].begin, list.items[n].begin);
  }
}

TEST(CudaWorkList, SplitsFewGlobalRowsWhereWholeUnitsStayWhole) {
  // One row is cheap to merge: a part for each of its 16 tiles, where the device has room.
  const auto list =
      make_work_list(problem_of("block_sparse(bs=32,globals=1)", 8, 8, 1024, 1024), 1024, {64, 528, 16});
  EXPECT_EQ(list.parts, 16);
  EXPECT_EQ(list.items.size(), 16U + 16U);
  for (const auto& item : list.items) {
    EXPECT_EQ(item.parts, item.first_row == 0 ? 16 : 1);
    EXPECT_LE(item.tiles(), 2);
  }
}

}  // namespace
}  // namespace attnbench
