// Kernels of another maker that are timed and shown but not ranked (tests/plugins/unranked_kernels.cc),
// through the whole program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "store/store.h"
#include "support/command.h"

namespace attnbench {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;
using testing::StartsWith;
using testing_support::attnbench;
using testing_support::on_one_line;
using testing_support::TemporaryDirectory;

testing_support::CommandResult run_others(const std::string& out, const std::string& kernels,
                                          const std::vector<std::string>& more = {}) {
  auto words = testing_support::small_run(out, {"--mechanism", "mha", "--seqlen", "16", "--plugin",
                                                ATTNBENCH_UNRANKED_KERNELS, "--kernel", kernels});
  words.insert(words.end(), more.begin(), more.end());
  return attnbench(words);
}

std::string contents_of(const std::string& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::map<std::string, VerificationRecord> verifications_in(const std::string& file) {
  const auto store = Store::open(file, Store::Mode::read);
  std::map<std::string, VerificationRecord> records;
  for (const auto& record : store.verifications(store.runs().front().id)) records[record.kernel_id] = record;
  return records;
}

TEST(Unranked, AnotherMakersErrorUpToTenTolerancesIsTimedAndShown) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto run = run_others(out, "unfused,exact,off_by_5,off_by_50");
  EXPECT_EQ(run.exit_code, 4) << "one kernel is wrong: " << run.err;
  const auto records = verifications_in(out);
  const auto& less_exact = records.at("mha/off_by_5@other");
  EXPECT_TRUE(less_exact.passed);
  EXPECT_THAT(less_exact.reason,
              MatchesRegex("less exact: o off by .*, allowed .* \\([1-9].* times\\), input '.*'"));
  EXPECT_GT(less_exact.max_error, less_exact.tolerance);
  EXPECT_LE(less_exact.max_error, 10 * less_exact.tolerance);
  EXPECT_FALSE(records.at("mha/off_by_50@other").passed);
  EXPECT_THAT(records.at("mha/off_by_50@other").reason, HasSubstr("off by"));
  EXPECT_EQ(records.at("mha/exact@other").reason, "");
  EXPECT_THAT(on_one_line(run.out), HasSubstr(less_exact.reason + ": no verdict, not ranked"));

  const auto summary_file = directory.file("summary.json");
  const auto csv_file = directory.file("kernels.csv");
  const auto analysis = attnbench({"analyze", out, "--out", summary_file, "--csv", csv_file});
  EXPECT_THAT(analysis.exit_code, testing::AnyOf(0, 3)) << analysis.err;
  EXPECT_THAT(on_one_line(analysis.out), HasSubstr("not ranked at N = 16: mha/off_by_5@other: less exact"));
  const auto summary = nlohmann::json::parse(contents_of(summary_file));
  const auto& cell = summary["runs"][0]["groups"][0]["cells"][0];
  bool seen = false;
  for (const auto& kernel : cell["kernels"]) {
    if (kernel["id"] != "mha/off_by_5@other") continue;
    seen = true;
    EXPECT_EQ(kernel["status"], "ok");
    EXPECT_EQ(kernel["unranked"], less_exact.reason);
    EXPECT_TRUE(kernel["seconds"].is_object());
    EXPECT_TRUE(kernel["ratio"].is_object());
    EXPECT_TRUE(kernel["verdict"].is_null());
  }
  EXPECT_TRUE(seen);
  EXPECT_THAT(contents_of(csv_file), HasSubstr("less exact: o off by"));
  const auto page = directory.file("report.html");
  EXPECT_THAT(attnbench({"report", out, "--out", page}).exit_code, testing::AnyOf(0, 3));
  EXPECT_THAT(contents_of(page), HasSubstr("less exact: o off by"));
}

TEST(Unranked, AnotherFunctionIsShownWithItsErrorAndIsNoBaseline) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto run = run_others(out, "exact,first_value", {"--baseline", "mha/first_value@other"});
  EXPECT_EQ(run.exit_code % 3, 0) << run.err;
  const auto record = verifications_in(out).at("mha/first_value@other");
  EXPECT_TRUE(record.passed);
  EXPECT_THAT(record.reason, StartsWith("computes another function: the first value alone; o off by "));
  EXPECT_GT(record.max_error, 1000 * record.tolerance);
  EXPECT_THAT(on_one_line(run.err), AllOf(HasSubstr("the baseline mha/first_value@other is not ranked"),
                                          HasSubstr("ratios are to mha/exact@other")));
  const auto store = Store::open(out, Store::Mode::read);
  const auto cells = store.cells(store.runs().front().id);
  for (const auto& kernel : cells.front().kernels)
    EXPECT_EQ(kernel.is_baseline, kernel.id() == "mha/exact@other") << kernel.id();
}

TEST(Unranked, ACellWithoutARankedKernelHasNoRatios) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto run = run_others(out, "first_value", {"--baseline", "mha/first_value@other"});
  EXPECT_EQ(run.exit_code % 3, 0) << run.err;
  EXPECT_THAT(on_one_line(run.err), HasSubstr("no ratios"));
  EXPECT_THAT(on_one_line(run.out), HasSubstr("computes another function: the first value alone"));
  EXPECT_THAT(run.out, Not(HasSubstr("baseline (")));
}

TEST(Unranked, WhatRanIsToldAndLiesAreRefused) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto run = run_others(out, "unfused,exact,not_confirmed,falls_back,lies_about_time");
  EXPECT_EQ(run.exit_code, 4) << run.err;
  const auto records = verifications_in(out);
  EXPECT_THAT(records.at("mha/falls_back@other").reason, HasSubstr("'math' ran, not 'flash': its trace"));
  EXPECT_THAT(records.at("mha/lies_about_time@other").reason, HasSubstr("the host waited"));
  EXPECT_THAT(run.out, HasSubstr("mha/not_confirmed@other, not confirmed"));
  EXPECT_THAT(run.out, Not(HasSubstr("exact@other, not confirmed")));
  EXPECT_THAT(run.out, Not(HasSubstr("unfused@cpu, not confirmed")));
  const auto csv_file = directory.file("kernels.csv");
  attnbench({"analyze", out, "--csv", csv_file});
  const auto csv = contents_of(csv_file);
  EXPECT_THAT(csv, HasSubstr(",flash,its trace,"));
  EXPECT_THAT(csv, HasSubstr(",flash,not confirmed,"));
  const auto tex = directory.file("table.tex");
  attnbench({"analyze", out, "--tex", tex});
  EXPECT_THAT(contents_of(tex), HasSubstr("not\\_confirmed@other, not confirmed"));
}

TEST(Unranked, VerifyCountsThemApart) {
  const auto verify = [](const std::string& kernel) {
    return attnbench({"verify", "--plugin", ATTNBENCH_UNRANKED_KERNELS, "--kernel", kernel, "--dtype", "f32",
                      "--shapes", "2"});
  };
  const auto less_exact = verify("off_by_5");
  EXPECT_EQ(less_exact.exit_code, 0) << less_exact.out;
  EXPECT_THAT(less_exact.out, HasSubstr("not ranked: off_by_5@other f32"));
  EXPECT_THAT(less_exact.out, HasSubstr("less exact: o off by"));
  EXPECT_THAT(less_exact.out, Not(HasSubstr(" 0 less exact")));
  EXPECT_THAT(less_exact.out, HasSubstr("0 of another function, 0 failed"));
  const auto other = verify("first_value");
  EXPECT_EQ(other.exit_code, 0) << other.out;
  EXPECT_THAT(other.out, HasSubstr("cases: 0 passed, 0 less exact, "));
  EXPECT_THAT(other.out, Not(HasSubstr(" 0 of another function")));
  const auto wrong = verify("off_by_50");
  EXPECT_EQ(wrong.exit_code, 4);
  EXPECT_THAT(wrong.out, HasSubstr("FAILED: off_by_50@other"));
}

TEST(Unranked, TuneLeavesThemOut) {
  const TemporaryDirectory directory;
  const auto profile = directory.file("profile.json");
  const auto tuned = attnbench({"tune", "--plugin", ATTNBENCH_UNRANKED_KERNELS, "--mechanism", "mha",
                                "--dtype", "f32", "--budget", "10s", "--threads", "1", "--out", profile});
  if (tuned.err.find("too noisy to tell") != std::string::npos) GTEST_SKIP() << tuned.err;
  EXPECT_THAT(contents_of(profile), Not(HasSubstr("off_by_5@other"))) << tuned.err;
  EXPECT_THAT(tuned.out + tuned.err, HasSubstr("off_by_5@other: left out: less exact: o off by"));
  EXPECT_THAT(tuned.out + tuned.err, Not(HasSubstr("first_value")));
}

}  // namespace
}  // namespace attnbench
