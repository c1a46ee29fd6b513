#include "report/baselines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "analysis/tables.h"
#include "report/answer.h"
#include "report/table.h"
#include "report/verdict_table.h"
#include "synthetic_run.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing::Not;

/// A fused kernel against these baselines, slower at N = 128 and faster at 256.
SyntheticRun against(const std::vector<std::string>& baselines) {
  SyntheticRun run;
  for (std::size_t i = 0; i < baselines.size(); ++i) {
    const auto cell = run.add_cell(
        128 << i, {SyntheticRun::kernel("mha", baselines[i]), SyntheticRun::kernel("mha", "fused")});
    run.add_five(cell, {std::log(i == 0 ? 0.5 : 2.0)}, {0.001});
  }
  return run;
}

TEST(Baselines, EachTableNamesItsOwnWhereARunHasSeveral) {
  const auto run = analyzed(against({"unfused", "unfused_f32"}));
  const std::string both = "mha/unfused@cpu at N = 128; mha/unfused_f32@cpu at N = 256";
  EXPECT_EQ(baselines_text(run.groups[0]), both);
  EXPECT_THAT(baselines_of(run), testing::ElementsAre("mha/unfused@cpu", "mha/unfused_f32@cpu"));
  const auto table = run_table(run, 160);
  EXPECT_THAT(table, HasSubstr("ratio: time of the baseline that the table names / time of the kernel"));
  EXPECT_THAT(table, HasSubstr("\nratio to " + both + "\n"));
  EXPECT_THAT(answer_lines(run, 160), HasSubstr("core f32, in place of " + both + "\n"));
  EXPECT_THAT(verdict_table(run, 160), HasSubstr("verdicts against the baseline " + both + "\n"));
  EXPECT_THAT(markdown_table(run),
              HasSubstr("| N = 128 | ratio to mha/unfused@cpu (95 % CI) | N = 256 | ratio to "
                        "mha/unfused_f32@cpu (95 % CI) |"));
}

TEST(Baselines, AreNamedOnceWhereThereIsOne) {
  const auto run = analyzed(against({"unfused", "unfused"}));
  EXPECT_EQ(baselines_text(run.groups[0]), "mha/unfused@cpu");
  EXPECT_THAT(run_table(run, 160), HasSubstr("ratio: time of mha/unfused@cpu / time of the kernel"));
  EXPECT_THAT(run_table(run, 160), Not(HasSubstr("ratio to")));
}

TEST(Baselines, RatiosToDifferentOnesHaveNoCrossover) {
  const auto crossover_of = [](const std::vector<std::string>& baselines) {
    return analyzed(against(baselines)).groups[0].find_series("mha/fused@cpu")->crossover;
  };
  ASSERT_TRUE(crossover_of({"unfused", "unfused"}));
  EXPECT_EQ(crossover_of({"unfused", "unfused"})->estimates.size(), 1u);
  EXPECT_FALSE(crossover_of({"unfused", "unfused_f32"}));
}

TEST(Baselines, StandInEachRowThatFiguresDraw) {
  const auto run = against({"unfused", "unfused_f32"});
  const auto tables = figure_tables(analyze(std::span(&run.contents, 1)));
  for (const auto& row : tables.at("kernels")) {
    EXPECT_EQ(row.at("baseline"), row.at("seqlen") == 128 ? "mha/unfused@cpu" : "mha/unfused_f32@cpu");
  }
}

}  // namespace
}  // namespace attnbench
