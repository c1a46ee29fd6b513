#include "reference/rows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <tuple>

#include "unit/reference_fixture.h"

namespace attnbench::reference {
namespace {

std::set<std::tuple<std::int64_t, std::int64_t, std::int64_t>> distinct(const std::vector<Row>& rows) {
  std::set<std::tuple<std::int64_t, std::int64_t, std::int64_t>> result;
  for (const auto& r : rows) result.insert({r.batch, r.head, r.query});
  return result;
}

TEST(Rows, AllOfThemWhereTheyFit) {
  const auto rows = sample_rows(small_problem("mha", 10, 10, 3, 0, 8, 2), 60);
  EXPECT_EQ(rows.size(), 60u);
  EXPECT_EQ(distinct(rows).size(), 60u);
}

TEST(Rows, ExactlyTheLimitElseWithEveryHeadAndItsEnds) {
  const auto problem = small_problem("swa(w=100)", 777, 777, 5, 0, 8, 3);
  const auto rows = sample_rows(problem);
  EXPECT_EQ(rows.size(), 256u);
  EXPECT_EQ(distinct(rows).size(), 256u);
  std::map<std::pair<std::int64_t, std::int64_t>, std::set<std::int64_t>> by_head;
  std::set<std::int64_t> queries;
  for (const auto& row : rows) {
    by_head[{row.batch, row.head}].insert(row.query);
    queries.insert(row.query);
    EXPECT_TRUE(row.query >= 0 && row.query < 777);
  }
  EXPECT_EQ(by_head.size(), 15u);
  for (const auto& [head, of_head] : by_head) {
    EXPECT_THAT(of_head, testing::Contains(0));
    EXPECT_THAT(of_head, testing::Contains(776));
  }
  EXPECT_GT(queries.size(), 200u);  // heads look at different rows
}

TEST(Rows, IncludeTileEdges) {
  auto problem = small_problem("block_sparse(bs=50,globals=1)", 4000, 4000);
  const auto rows = sample_rows(problem);
  int edges = 0;
  for (const auto& row : rows) {
    for (const std::int64_t tile : {16, 50}) {
      if (row.query % tile == 0 || row.query % tile == tile - 1) {
        ++edges;
        break;
      }
    }
  }
  EXPECT_GT(edges, 60);  // about 42 of 256 if rows were drawn evenly
}

TEST(Rows, MoreHeadsThanTheLimit) {
  const auto rows = sample_rows(small_problem("mha", 7, 7, 100, 0, 8, 5), 64);
  EXPECT_EQ(rows.size(), 64u);
  std::set<std::int64_t> batches;
  for (const auto& row : rows) batches.insert(row.batch);
  EXPECT_EQ(batches.size(), 5u);
}

TEST(Rows, FirstRowThatSeesAKey) {
  const auto rows = sample_rows(small_problem("mha", 1000, 600));
  EXPECT_THAT(rows, testing::Contains(Row{0, 0, 400}));
}

TEST(Rows, LayerScopeCountsTokensNotHeads) {
  auto problem = small_problem("mha", 20, 20, 8, 0, 8, 3);
  problem.scope = Scope::layer;
  problem.shape.d_model = 16;
  const auto rows = sample_rows(problem);
  EXPECT_EQ(rows.size(), 60u);
  for (const auto& row : rows) EXPECT_EQ(row.head, 0);
}

}  // namespace
}  // namespace attnbench::reference
