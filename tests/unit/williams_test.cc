#include "plan/williams.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <set>

#include "plan/random.h"

namespace attnbench {
namespace {

using Rows = std::vector<std::vector<int>>;

bool is_permutation_of(std::vector<int> row, int treatments) {
  std::sort(row.begin(), row.end());
  std::vector<int> expected(static_cast<std::size_t>(treatments));
  std::iota(expected.begin(), expected.end(), 0);
  return row == expected;
}

std::map<std::pair<int, int>, int> neighbour_counts(const Rows& rows) {
  std::map<std::pair<int, int>, int> counts;
  for (const auto& row : rows) {
    for (std::size_t p = 1; p < row.size(); ++p) ++counts[{row[p - 1], row[p]}];
  }
  return counts;
}

std::map<std::pair<int, int>, int> position_counts(const Rows& rows) {
  std::map<std::pair<int, int>, int> counts;
  for (const auto& row : rows) {
    for (std::size_t p = 0; p < row.size(); ++p) ++counts[{static_cast<int>(p), row[p]}];
  }
  return counts;
}

int rows_of(int k) { return k % 2 == 0 ? k : 2 * k; }

void expect_balanced(const Rows& rows, int k) {
  const int times = k % 2 == 0 ? 1 : 2;
  for (const auto& row : rows) EXPECT_TRUE(is_permutation_of(row, k));
  const auto neighbours = neighbour_counts(rows);
  EXPECT_EQ(neighbours.size(), static_cast<std::size_t>(k * (k - 1)));
  for (const auto& [pair, count] : neighbours) EXPECT_EQ(count, times) << pair.first << " " << pair.second;
  const auto positions = position_counts(rows);
  EXPECT_EQ(positions.size(), static_cast<std::size_t>(k * k));
  for (const auto& [place, count] : positions) EXPECT_EQ(count, times) << place.first << " " << place.second;
}

class Williams : public testing::TestWithParam<int> {};

TEST_P(Williams, EveryOrderedPairOfNeighboursAndEveryPositionEquallyOften) {
  const auto rows = williams_design(GetParam());
  EXPECT_EQ(rows.size(), static_cast<std::size_t>(rows_of(GetParam())));
  expect_balanced(rows, GetParam());
}

TEST_P(Williams, EachWalkThroughTheRowsIsAWholeDesign) {
  const int k = GetParam();
  for (const std::uint64_t seed : {1u, 77u}) {
    // Blocks do not divide the number of rows, so walks begin and end inside processes.
    const int blocks = 7;
    const int walks = 3;
    Rows all;
    for (int process = 0; static_cast<int>(all.size()) < walks * rows_of(k); ++process) {
      for (auto& row : block_orders(k, seed, process, blocks)) all.push_back(std::move(row));
    }
    for (int walk = 0; walk < walks; ++walk) {
      const auto begin = all.begin() + walk * rows_of(k);
      expect_balanced(Rows(begin, begin + rows_of(k)), k);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Treatments, Williams, testing::Range(1, 41));

TEST(BlockOrders, PredecessorsBalanceThroughProcessesAsACyclicSquareDoesNot) {
  // 5 processes x 20 blocks of 10 treatments are 10 walks: each pair of neighbours exactly 10 times.
  Rows all;
  for (int process = 0; process < 5; ++process) {
    for (auto& row : block_orders(10, 42, process, 20)) all.push_back(std::move(row));
  }
  for (const auto& [pair, count] : neighbour_counts(all)) EXPECT_EQ(count, 10);
  EXPECT_EQ(neighbour_counts(all).size(), 90u);
}

TEST(BlockOrders, AreTheSameOnEveryMachine) {
  EXPECT_EQ(block_orders(4, 1, 2, 10), block_orders(4, 1, 2, 10));
  EXPECT_NE(block_orders(4, 1, 0, 8), block_orders(4, 2, 0, 8));
  // One process of 10 blocks is two of 5 blocks.
  auto halves = block_orders(6, 9, 0, 5);
  for (auto& row : block_orders(6, 9, 1, 5)) halves.push_back(row);
  EXPECT_EQ(block_orders(6, 9, 0, 10), halves);
}

TEST(BlockOrders, WalksDifferSoThatNoOrderOfRowsRepeats) {
  const auto orders = block_orders(6, 3, 0, 12);
  EXPECT_NE(Rows(orders.begin(), orders.begin() + 6), Rows(orders.begin() + 6, orders.end()));
}

TEST(BlockOrders, OfOneTreatmentAndOfNoBlocks) {
  EXPECT_THAT(block_orders(1, 5, 3, 2),
              testing::ElementsAre(testing::ElementsAre(0), testing::ElementsAre(0)));
  EXPECT_THAT(block_orders(3, 5, 0, 0), testing::IsEmpty());
}

TEST(SplitMix64, GivesThePublishedSequence) {
  // First outputs of the public-domain reference program (Vigna, prng.di.unimi.it/splitmix64.c) from 1234567.
  SplitMix64 random(1234567);
  EXPECT_EQ(random.next(), 6457827717110365317u);
  EXPECT_EQ(random.next(), 3203168211198807973u);
  EXPECT_EQ(random.next(), 9817491932198370423u);
}

TEST(SplitMix64, BelowIsUniform) {
  SplitMix64 random(5);
  std::vector<int> counts(6);
  for (int i = 0; i < 60000; ++i) ++counts[random.below(6)];
  for (const int count : counts) EXPECT_NEAR(count, 10000, 500);  // 5 standard deviations
  // A bound just over half of the range: a bare remainder would give the first values twice as often.
  int low = 0;
  const std::uint64_t bound = 0xc000000000000000u;
  for (int i = 0; i < 30000; ++i) low += random.below(bound) < bound / 3;
  EXPECT_NEAR(low, 10000, 500);
}

TEST(CellSeed, DiffersByCellAndStudySeed) {
  std::set<std::uint64_t> seeds;
  for (const std::uint64_t seed : {1u, 2u}) {
    for (const auto* cell : {"a", "b", "ab", "ba", ""}) seeds.insert(cell_seed(seed, cell));
  }
  EXPECT_EQ(seeds.size(), 10u);
}

TEST(RandomPermutation, ReachesEveryOrderEquallyOften) {
  SplitMix64 random(11);
  std::map<std::vector<int>, int> counts;
  for (int i = 0; i < 24000; ++i) ++counts[random_permutation(4, random)];
  EXPECT_EQ(counts.size(), 24u);
  for (const auto& [order, count] : counts) EXPECT_NEAR(count, 1000, 160);
}

}  // namespace
}  // namespace attnbench
