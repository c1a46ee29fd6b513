#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <regex>
#include <sstream>

#include "support/command.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing_support::attnbench;
using testing_support::TemporaryDirectory;

const std::string kM4Means = std::string(ATTNBENCH_SOURCE_DIR) + "/data/m4_mlx_published.csv";

constexpr const char* kClaim = R"(number = 77
title = "GQA beats MHA"
[published]
scope = "layer"
dtype = "f32"
[kernels]
gqa = "gqa(kv=4)/unfused"
mha = "mha/unfused"
[headline]
quote = "Somebody said so."
source = "hearsay"
relation = "ratio"
kernel = "gqa"
against = "mha"
seqlen = 128
expect = "faster"
)";

// One row a finding; of bare means all but the exact one is not tested, and no interval is made up.
TEST(ClaimsCommand, FifteenRowsFromPublishedMeans) {
  const auto result = attnbench({"claims", kM4Means});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const std::regex row("( [1-9]|1[0-5])  .*(NOT TESTED|HOLDS)");
  std::istringstream lines(result.out);
  int rows = 0;
  for (std::string line; std::getline(lines, line);) rows += std::regex_match(line, row);
  EXPECT_EQ(rows, 15) << result.out;
  EXPECT_THAT(result.out, HasSubstr("no variance published"));
  EXPECT_THAT(result.out, Not(HasSubstr("not Apple Silicon")));
  EXPECT_THAT(result.out, HasSubstr("layer f32, kernels as published: 1 HOLDS, 14 NOT TESTED"));
}

// Findings 9, 14 and 15 by their own means.
TEST(ClaimsCommand, SaysWhereThePublishedMeansContradictTheSentence) {
  const auto table = testing_support::on_one_line(attnbench({"claims", kM4Means, "--explain"}).out);
  for (const auto* text : {"published: below 5 %, contradicted by its means: 29.3 %",
                           "published: a tie, contradicted by its means: 23.2 %",
                           "published: 5.8x to 7.2x, contradicted by its means: 5.71x",
                           "note: The printed slopes do not follow from the published means.",
                           "published 1.73 (0.65 by its means); measured 0.65"})
    EXPECT_THAT(table, HasSubstr(text));
}

TEST(ClaimsCommand, JsonOfPublishedMeansHasEstimatesWithoutBounds) {
  const auto result = attnbench({"claims", kM4Means, "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto document = nlohmann::json::parse(result.out);
  ASSERT_EQ(document["claims"].size(), 15u);
  const auto answer = document["claims"][0]["answers"][0];
  EXPECT_EQ(answer["apple_silicon"], true);
  const auto part = answer["headline"][0];
  EXPECT_NEAR(part["value"]["estimate"].get<double>(), 7.0813 / 1.2402, 1e-9);
  EXPECT_TRUE(part["value"]["low"].is_null());
  EXPECT_TRUE(part["value"]["high"].is_null());
  EXPECT_TRUE(part["p"].is_null());
  EXPECT_EQ(part["direction"], "NOT TESTED");
  EXPECT_EQ(part["reason"], "no variance published");
  EXPECT_EQ(part["printed"], 5.7);
  EXPECT_EQ(part["published_text"], "5.7x");
  EXPECT_EQ(part["measured_text"], "5.71x [no interval]");
  for (const auto& claim : document["claims"]) {
    for (const auto& one : claim["answers"]) {
      for (const auto* parts : {"headline", "details"}) {
        for (const auto& comparison : one[parts]) {
          if (comparison["relation"] == "memory") continue;
          EXPECT_EQ(comparison["magnitude"], "");
          EXPECT_TRUE(comparison["value"].is_null() || comparison["value"]["low"].is_null()) << comparison;
          EXPECT_TRUE(comparison["ranges"].is_null()) << comparison;
        }
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
  EXPECT_THAT(words, HasSubstr("NOT TESTED: no variance published. At N"));
  EXPECT_THAT(words, HasSubstr("published: \"Somebody said so.\" (hearsay)"));
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
              HasSubstr("bad.toml:17: key: 'expct' is not known here (did you mean 'expect'"));
  EXPECT_THAT(error({"claims", kM4Means, "--claims", directory.file("none")}), HasSubstr("cannot be read"));
  EXPECT_THAT(error({"claims", directory.file("none.db")}), HasSubstr("none.db"));
  EXPECT_THAT(error({"claims", directory.file("bad.toml")}), HasSubstr("bad.toml"));
  EXPECT_THAT(error({"claims"}), HasSubstr("STORE"));
}

// The form of earlier versions, whose verdict was that of all published values together.
TEST(ClaimsCommand, RefusesAClaimWithoutAHeadline) {
  const TemporaryDirectory directory;
  auto text = std::string(kClaim);
  text.replace(text.find("[headline]\nquote = \"Somebody said so.\"\nsource = \"hearsay\""), 57, "[[parts]]");
  std::ofstream(directory.file("old.toml")) << text;
  const auto result = attnbench({"claims", kM4Means, "--claims", directory.path()});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("old.toml: [headline]: '' is missing"));
}

// Of a kernel against the baseline, modes or not: one ratio, one interval.
TEST(ClaimsCommand, ARatioHasTheSameIntervalAsInAnalyze) {
  const TemporaryDirectory directory;
  for (const std::string ending : {".csv", ".env.json"}) {
    const auto packed = ATTNBENCH_SOURCE_DIR "/data/paper-core-f32-zen3" + ending + ".gz";
    ASSERT_EQ(std::system(("gzip -dc " + packed + " > " + directory.file("paper") + ending).c_str()), 0);
  }
  const auto result = attnbench({"analyze", directory.file("paper.csv"), "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto summary = nlohmann::json::parse(result.out);
  std::map<std::string, nlohmann::json> ratios;  // by group, N and kernel
  std::map<std::string, std::string> baselines;
  for (const auto& group : summary["runs"][0]["groups"]) {
    for (const auto& cell : group["cells"]) {
      for (const auto& kernel : cell["kernels"]) {
        const auto place = group["id"].get<std::string>() + cell["seqlen"].dump();
        if (kernel["is_baseline"] == true) baselines[place] = kernel["id"];
        ratios[place + kernel["id"].get<std::string>()] = kernel;
      }
    }
  }
  int compared = 0;
  int with_modes = 0;
  for (const auto& claim : summary["claims"]) {
    for (const auto& answer : claim["answers"]) {
      for (const auto* parts : {"headline", "details"}) {
        for (const auto& part : answer[parts]) {
          if (part["measure"] != "speed ratio" || part["seqlen"].is_null() || part["value"].is_null())
            continue;
          const auto place = answer["group"].get<std::string>() + part["seqlen"].dump();
          if (part["against"] != baselines.at(place)) continue;
          const auto& kernel = ratios.at(place + part["kernel"].get<std::string>());
          EXPECT_NEAR(part["value"]["low"].get<double>(), kernel["ratio"]["low"].get<double>(), 1e-9) << part;
          EXPECT_NEAR(part["value"]["high"].get<double>(), kernel["ratio"]["high"].get<double>(), 1e-9)
              << part;
          EXPECT_EQ(part["modes"], kernel["modes"]) << part;
          ++compared;
          with_modes += part["modes"] == true;
        }
      }
    }
  }
  EXPECT_GT(compared, 10);
  EXPECT_GT(with_modes, 0);
}

TEST(ClaimsCommand, SaysThatDetailsAreJudgedAloneAndFunctionsDiffer) {
  const auto words = testing_support::on_one_line(attnbench({"claims", kM4Means, "--explain"}).out);
  EXPECT_THAT(words, HasSubstr("details, each judged alone, at 5 %: - "));
  EXPECT_THAT(words, HasSubstr("note: Block-sparse attention computes another function than MHA."));
}

std::ptrdiff_t widest_line(const std::string& text) {
  std::ptrdiff_t widest = 0;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);)
    widest = std::max(widest, std::count_if(line.begin(), line.end(), [](char c) {
                        return (static_cast<unsigned char>(c) & 0xc0) != 0x80;
                      }));
  return widest;
}

/// What is no terminal has 80 columns, or what COLUMNS says, up to 120 as a terminal has. Where it is no
/// number of columns it is as if it were not set.
TEST(PaperStudy, NoLineOfItsTablesIsWiderThanWhatShowsThem) {
  const TemporaryDirectory directory;
  for (const std::string ending : {".csv", ".env.json"}) {
    const auto packed = ATTNBENCH_SOURCE_DIR "/data/paper-spec-xeon-amx" + ending + ".gz";
    ASSERT_EQ(std::system(("gzip -dc " + packed + " > " + directory.file("paper") + ending).c_str()), 0);
  }
  const auto widest = [](const std::vector<std::string>& command, const char* columns) {
    const auto* before = std::getenv("COLUMNS");
    const std::optional<std::string> kept =
        before == nullptr ? std::nullopt : std::optional<std::string>(before);
    columns == nullptr ? unsetenv("COLUMNS") : setenv("COLUMNS", columns, 1);
    const auto result = attnbench(command);
    kept ? setenv("COLUMNS", kept->c_str(), 1) : unsetenv("COLUMNS");
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return widest_line(result.out);
  };
  for (const auto& command :
       std::vector<std::vector<std::string>>{{"analyze", directory.file("paper.csv")},
                                             {"claims", directory.file("paper.csv"), "--explain"},
                                             {"run", "paper", "--dry-run"},
                                             {"help", "run"}}) {
    for (const auto* unsaid : {static_cast<const char*>(nullptr), "", "0", "-3", "wide", "100x"}) {
      const auto columns = widest(command, unsaid);
      EXPECT_LE(columns, 80) << command[0];
      EXPECT_GT(columns, 70) << command[0];
      if (command[0] != "help") break;
    }
    const auto some = widest(command, "100"), all = widest(command, "1000");
    EXPECT_LE(some, 100) << command[0];
    EXPECT_GT(some, 80) << command[0];
    EXPECT_LE(all, 120) << command[0];
    EXPECT_GT(all, 100) << command[0];
  }
  const auto markdown = attnbench({"analyze", directory.file("paper.csv"), "--format", "md"});
  EXPECT_GT(widest_line(markdown.out), 120);  // a row of a table is a line
}

TEST(ClaimsCommand, HelpHasExamples) {
  const auto result = attnbench({"claims", "--help"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("attnbench claims paper.db --explain"));
  EXPECT_THAT(result.out, HasSubstr("UNRESOLVED"));
}

}  // namespace
}  // namespace attnbench
