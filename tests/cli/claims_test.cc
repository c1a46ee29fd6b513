#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <regex>
#include <sstream>

#include "support/command.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing_support::attnbench;
using testing_support::TemporaryDirectory;

const std::string kM4Means = std::string(ATTNBENCH_SOURCE_DIR) + "/data/m4_mlx_published.csv";

constexpr const char* kClaim = R"(number = 77
title = "GQA beats MHA"
statement = "Somebody said so."
[published]
scope = "layer"
dtype = "f32"
[kernels]
gqa = "gqa(kv=4)/unfused"
mha = "mha/unfused"
[[parts]]
relation = "ratio"
kernel = "gqa"
against = "mha"
seqlen = 128
expect = "faster"
)";

// One line a finding; of bare means all but the exact one is not tested, and no interval is made up.
TEST(ClaimsCommand, FifteenRowsFromPublishedMeans) {
  const auto result = attnbench({"claims", kM4Means});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const std::regex row("( [1-9]|1[0-5])  .*(NOT TESTED|HOLDS).*");
  std::istringstream lines(result.out);
  int rows = 0;
  for (std::string line; std::getline(lines, line);) rows += std::regex_match(line, row);
  EXPECT_EQ(rows, 15) << result.out;
  EXPECT_THAT(result.out, HasSubstr("no variance published"));
  EXPECT_THAT(result.out, HasSubstr("1 HOLDS, 0 REVERSED, 0 UNRESOLVED, 14 NOT TESTED"));
}

TEST(ClaimsCommand, JsonOfPublishedMeansHasEstimatesWithoutBounds) {
  const auto result = attnbench({"claims", kM4Means, "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto document = nlohmann::json::parse(result.out);
  ASSERT_EQ(document["claims"].size(), 15u);
  const auto part = document["claims"][0]["answers"][0]["parts"][0];
  EXPECT_NEAR(part["value"]["estimate"].get<double>(), 7.0813 / 1.2402, 1e-9);
  EXPECT_TRUE(part["value"]["low"].is_null());
  EXPECT_TRUE(part["value"]["high"].is_null());
  EXPECT_TRUE(part["p_adjusted"].is_null());
  EXPECT_EQ(part["direction"], "NOT TESTED");
  EXPECT_EQ(part["reason"], "no variance published");
  EXPECT_EQ(part["printed"], 5.7);
  for (const auto& claim : document["claims"]) {
    for (const auto& answer : claim["answers"]) {
      for (const auto& one : answer["parts"]) {
        if (one["relation"] == "memory") continue;
        EXPECT_EQ(one["magnitude"], "");
        EXPECT_TRUE(one["value"].is_null() || one["value"]["low"].is_null()) << one;
        EXPECT_TRUE(one["ranges"].is_null()) << one;
      }
    }
  }
}

TEST(ClaimsCommand, AnswersANewClaimFile) {
  const TemporaryDirectory directory;
  std::ofstream(directory.file("mine.toml")) << kClaim;
  const auto result = attnbench({"claims", kM4Means, "--claims", directory.path(), "--explain"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("77  GQA beats MHA"));
  const auto words = testing_support::on_one_line(result.out);
  EXPECT_THAT(
      words,
      HasSubstr("At N = 128 the speed of gqa(kv=4)/unfused@mlx relative to mha/unfused@mlx is 1.20x [no "
                "interval]."));
  EXPECT_THAT(words, HasSubstr("NOT TESTED, no variance published. At N"));
}

TEST(ClaimsCommand, BadInputExitsWithTwoAndNamesIt) {
  const TemporaryDirectory directory;
  std::ofstream(directory.file("bad.toml")) << std::string(kClaim) + "expct = 1\n";
  const auto error = [&](const std::vector<std::string>& arguments) {
    const auto result = attnbench(arguments);
    EXPECT_EQ(result.exit_code, 2) << result.out;
    return result.err;
  };
  EXPECT_THAT(error({"claims", kM4Means, "--claims", directory.path()}),
              HasSubstr("bad.toml:16: key: 'expct' is not known here (did you mean 'expect'"));
  EXPECT_THAT(error({"claims", kM4Means, "--claims", directory.file("none")}), HasSubstr("cannot be read"));
  EXPECT_THAT(error({"claims", directory.file("none.db")}), HasSubstr("none.db"));
  EXPECT_THAT(error({"claims", directory.file("bad.toml")}), HasSubstr("bad.toml"));
  EXPECT_THAT(error({"claims"}), HasSubstr("STORE"));
}

TEST(PaperStudy, NoLineOfItsTablesIsWiderThan120Characters) {
  const TemporaryDirectory directory;
  for (const std::string ending : {".csv", ".env.json"}) {
    const auto packed = ATTNBENCH_SOURCE_DIR "/data/paper-spec-xeon-amx" + ending + ".gz";
    ASSERT_EQ(std::system(("gzip -dc " + packed + " > " + directory.file("paper") + ending).c_str()), 0);
  }
  for (const auto& command : std::vector<std::vector<std::string>>{
           {"analyze", directory.file("paper.csv")}, {"claims", directory.file("paper.csv"), "--explain"}}) {
    const auto result = attnbench(command);
    ASSERT_EQ(result.exit_code, 0) << result.err;
    std::istringstream lines(result.out);
    for (std::string line; std::getline(lines, line);) {
      const auto characters = std::count_if(
          line.begin(), line.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; });
      EXPECT_LE(characters, 120) << line;
    }
  }
}

TEST(ClaimsCommand, HelpHasExamples) {
  const auto result = attnbench({"claims", "--help"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("attnbench claims paper.db --explain"));
  EXPECT_THAT(result.out, HasSubstr("UNRESOLVED"));
}

}  // namespace
}  // namespace attnbench
