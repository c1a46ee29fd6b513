#include "report/html.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "attnbench/error.h"

namespace attnbench {
namespace {

using nlohmann::json;
using testing::HasSubstr;
using testing::Not;

/// One kernel in one cell, with two processes of two blocks.
json small_summary() {
  return json::parse(R"({"format": "attnbench-summary", "version": 3, "claims": [],
    "tables": {"kernels": [], "series": [], "steps": [], "crossovers": [], "ceilings": []},
    "runs": [{"id": "r0", "machine": "m", "groups": [{"cells": [{"kernels": [{"id": "mha/unfused@cpu",
      "seconds": {"estimate": 1.2345678912e-4, "low": null, "high": null},
      "by_process": [{"process": 0, "seconds": 1.5e-4, "blocks": [1.234e-4, 1.76649e-4]},
                     {"process": 1, "seconds": 2e-4, "blocks": [2e-4, 2e-4]}]}]}]}]}]})");
}

/// The summary as the page holds it.
json embedded(const std::string& html) {
  const std::string start = "<script type=\"application/json\" id=\"summary\">";
  const auto from = html.find(start) + start.size();
  return json::parse(html.substr(from, html.find("</script>", from) - from));
}

TEST(HtmlReport, HoldsTheSummaryRoundedAndBlocksAsIntegers) {
  const auto shown = embedded(html_report(small_summary()));
  const auto& kernel = shown["runs"][0]["groups"][0]["cells"][0]["kernels"][0];
  EXPECT_EQ(kernel["seconds"]["estimate"], 1.234568e-4);
  EXPECT_EQ(kernel["seconds"]["low"], nullptr);
  EXPECT_EQ(kernel["block_unit"], 1e-7);
  EXPECT_EQ(kernel["by_process"][0]["blocks"], json({1234, 1766}));
}

TEST(HtmlReport, NamesTheKeysOfLikeObjectsOnce) {
  auto summary = small_summary();
  for (int n = 0; n < 4; ++n) summary["tables"]["kernels"].push_back({{"seqlen", n}, {"kernel", "k"}});
  const auto table = embedded(html_report(summary))["tables"]["kernels"];
  EXPECT_EQ(table["#columns"], json({"kernel", "seqlen"}));
  EXPECT_EQ(table["#rows"][3], json({"k", 3}));
}

TEST(HtmlReport, ChangesWhereTheSummaryChangesAndNowhereElse) {
  const auto before = small_summary();
  auto after = before;
  after["runs"][0]["groups"][0]["cells"][0]["kernels"][0]["by_process"][1]["seconds"] = 3e-4;
  const auto difference = json::diff(embedded(html_report(before)), embedded(html_report(after)));
  ASSERT_EQ(difference.size(), 1u);
  EXPECT_EQ(difference[0]["path"], "/runs/0/groups/0/cells/0/kernels/0/by_process/1/seconds");
  EXPECT_EQ(difference[0]["value"], 3e-4);
}

TEST(HtmlReport, NoLabelEndsAScript) {
  auto summary = small_summary();
  summary["runs"][0]["machine"] = "</script><script>alert(1)</script><!--";
  const auto html = html_report(summary);
  EXPECT_THAT(html, Not(HasSubstr("alert(1)</script>")));
  EXPECT_EQ(embedded(html)["runs"][0]["machine"], summary["runs"][0]["machine"]);
}

TEST(HtmlReport, LeavesBlocksOutWhereThePageWouldBeTooLarge) {
  const auto full = html_report(small_summary());
  const auto html = html_report(small_summary(), full.size() - 1);
  EXPECT_LT(html.size(), full.size());
  const auto processes = embedded(html)["runs"][0]["groups"][0]["cells"][0]["kernels"][0]["by_process"];
  EXPECT_EQ(processes[0]["blocks"], json::array());
  EXPECT_EQ(processes[0]["seconds"], 1.5e-4);
}

TEST(HtmlReport, RejectsWhatIsNoSummary) {
  auto newer = small_summary();
  newer["version"] = 4;
  EXPECT_THROW(html_report(json::object()), InputError);
  EXPECT_THROW(html_report(json::array()), InputError);
  EXPECT_THROW(html_report(newer), InputError);
}

}  // namespace
}  // namespace attnbench
