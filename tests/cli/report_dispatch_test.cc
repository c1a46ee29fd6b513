#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "io/files.h"
#include "support/command.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing_support::attnbench;
using testing_support::on_one_line;
using testing_support::TemporaryDirectory;

/// Of a machine that is none, with no times.
nlohmann::json foreign_profile() {
  return {{"format", "attnbench-profile"},
          {"schema", 1},
          {"machine_key", "00"},
          {"library", "00"},
          {"device", "cpu"},
          {"environment", nlohmann::json::object()},
          {"verified", nlohmann::json::array()},
          {"costs", nlohmann::json::array()}};
}

TEST(ReportDispatch, AProfileThatIsNotTrustedIsNamed) {
  const TemporaryDirectory directory;
  const auto profile = directory.file("profile.json");
  write_text_file(profile, foreign_profile().dump());
  const auto store = directory.file("s.db"), summary = directory.file("s.json");
  const auto run = attnbench(testing_support::small_run(store, {"--profile", "quick", "--mechanism", "mha"}));
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const auto result = attnbench({"analyze", store, "--profile", profile, "--out", summary});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(on_one_line(result.out), HasSubstr("What dispatch chooses: "));
  EXPECT_THAT(on_one_line(result.out),
              HasSubstr("The profile is foreign: it was measured on another machine"));
  EXPECT_THAT(on_one_line(result.out), HasSubstr("holds no certificate"));
  EXPECT_EQ(nlohmann::json::parse(testing_support::text_of(summary)).at("profile").at("state"), "foreign");
  const auto markdown = attnbench({"analyze", store, "--profile", profile, "--format", "md"});
  EXPECT_THAT(markdown.out, HasSubstr("### What dispatch chooses"));
  const auto without = attnbench({"analyze", store});
  EXPECT_THAT(without.out, testing::Not(HasSubstr("dispatch chooses")));
}

TEST(ReportDispatch, WhatIsNoProfileIsRefusedByItsField) {
  const TemporaryDirectory directory;
  const auto profile = directory.file("profile.json");
  auto broken = foreign_profile();
  broken["costs"] = {{{"kernel", "fused@cpu"}}};
  write_text_file(profile, broken.dump());
  const auto store = directory.file("s.db");
  ASSERT_EQ(
      attnbench(testing_support::small_run(store, {"--profile", "quick", "--mechanism", "mha"})).exit_code,
      0);
  const auto report = attnbench({"report", store, "--profile", profile, "--out", directory.file("r.html")});
  EXPECT_EQ(report.exit_code, 2);
  EXPECT_THAT(on_one_line(report.err), HasSubstr("costs[0]: problem"));
  const auto result = attnbench({"analyze", store, "--profile", profile});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(on_one_line(result.err), HasSubstr("costs[0]: problem"));
  EXPECT_EQ(attnbench({"analyze", store, "--profile", directory.file("none.json")}).exit_code, 2);
  EXPECT_EQ(attnbench({"report", store, "--profile", profile, "--brief"}).exit_code, 2);
}

}  // namespace
}  // namespace attnbench
