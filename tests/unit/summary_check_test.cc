#include "report/summary_check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "attnbench/error.h"
#include "report/summary.h"
#include "unit/synthetic_run.h"

namespace attnbench {
namespace {

using nlohmann::json;
using testing::HasSubstr;

const json& whole_summary() {
  static const json summary = [] {
    SyntheticRun run;
    const auto cell =
        run.add_cell(128, {SyntheticRun::kernel("mha", "unfused"), SyntheticRun::kernel("linear", "fused")});
    run.add_five(cell, {0.3}, {0.001});
    return summary_json(analyze(std::span(&run.contents, 1)), {});
  }();
  return summary;
}

std::string message_of(const json& summary) {
  try {
    check_summary(summary);
  } catch (const InputError& error) {
    return error.what();
  }
  return "accepted";
}

std::string after(const char* pointer, const json& value) {
  auto changed = whole_summary();
  changed[json::json_pointer(pointer)] = value;
  return message_of(changed);
}

TEST(SummaryCheck, TakesWhatAnalyzeWrites) { EXPECT_EQ(message_of(whole_summary()), "accepted"); }

TEST(SummaryCheck, NamesTheFieldThatIsOfAnotherType) {
  EXPECT_THAT(after("/format", 3), HasSubstr("format: '3' is not attnbench-summary"));
  EXPECT_THAT(after("/version", "2"), HasSubstr("version: '2'"));
  EXPECT_THAT(after("/version", nullptr), HasSubstr("version: 'null'"));
  EXPECT_THAT(after("/runs", json::array()), HasSubstr("runs: '[]' is no list of runs"));
  EXPECT_THAT(after("/tables", nullptr), HasSubstr("tables: 'null' is not of type \"object\""));
  EXPECT_THAT(after("/runs/0/marks", "loud"), HasSubstr("runs[0].marks: '\"loud\"' is not of type"));
  EXPECT_THAT(after("/runs/0/groups/0/cells", 7), HasSubstr("runs[0].groups[0].cells: '7'"));
  EXPECT_THAT(after("/runs/0/groups/0/cells/0/kernels/0/by_process/0/blocks/0", nullptr),
              HasSubstr("cells[0].kernels[0].by_process[0].blocks[0]: 'null' is not of type \"number\""));
  EXPECT_THAT(after("/runs/0/groups/0/cells/0/kernels/0/seconds", {{"estimate", "1"}}),
              HasSubstr("kernels[0].seconds"));
  EXPECT_THAT(after("/runs/0/rank", 1), HasSubstr("runs[0].rank: '1' is no field"));
  auto cut = whole_summary();
  cut["runs"][0].erase("groups");
  EXPECT_EQ(message_of(cut), "runs[0].groups: 'nothing' is where a value is needed");
}

TEST(SummaryCheck, SeesEveryChoiceOfALimitedField) {
  EXPECT_THAT(after("/runs/0/kind", "guessed"), HasSubstr("runs[0].kind: '\"guessed\"' is not one of"));
  EXPECT_EQ(after("/runs/0/publishable", nullptr), "accepted");
}

}  // namespace
}  // namespace attnbench
