#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "support/command.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing_support::attnbench;
using testing_support::TemporaryDirectory;

TEST(DispatchCommand, SaysWhichKernelAndWhy) {
  const auto result = attnbench({"dispatch", "mha", "causal_linear", "--seqlen", "256", "--threads", "1"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("Profile: none"));
  EXPECT_THAT(result.out, HasSubstr("mha/fused@cpu"));
  EXPECT_THAT(result.out, HasSubstr("causal_linear/chunked@cpu"));
  EXPECT_THAT(result.out, HasSubstr("the default kernel: no profile of this machine was given"));
}

TEST(DispatchCommand, JsonHoldsEveryCandidate) {
  const auto result =
      attnbench({"dispatch", "swa(w=64)", "--threads", "1", "--deny", "fused@cpu:portable", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto page = nlohmann::json::parse(result.out);
  EXPECT_EQ(page.at("profile"), "none");
  const auto& decision = page.at("decisions").at(0);
  EXPECT_EQ(decision.at("profile"), "none");
  EXPECT_EQ(decision.at("verified"), false);
  EXPECT_TRUE(decision.at("ratio").is_null());
  bool denied = false;
  for (const auto& candidate : decision.at("candidates")) {
    if (candidate.at("kernel") == "swa(w=64)/fused@cpu:portable")
      denied = candidate.at("excluded") == "fused@cpu:portable is denied";
  }
  EXPECT_TRUE(denied);
}

TEST(DispatchCommand, WhatCannotBeUsedIsNotReplaced) {
  auto result = attnbench({"dispatch", "linear", "--threads", "1", "--force", "gather@cpu"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("no kernel for linear: the kernel that is forced cannot be used here"));
  result = attnbench({"dispatch", "mha", "--threads", "1", "--deterministic"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("is not known to be deterministic: not verified here"));
}

TEST(DispatchCommand, ProfilesThatAreNotTrustedAreNamed) {
  const TemporaryDirectory directory;
  const auto file = directory.file("profile.json");
  std::ofstream(file) << "{\"format\": \"attnbench-profile\", \"schema\": 7}";
  const auto result = attnbench({"dispatch", "mha", "--threads", "1", "--profile", file});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.out, HasSubstr("its schema 7 is newer than 1, the latest that this library knows"));
  EXPECT_THAT(result.out, HasSubstr("the profile is of a newer version than this library knows"));
}

TEST(DispatchCommand, BadInputIsNamed) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"mhaa"}, "mechanism: 'mhaa'"},
      {{"gqa(kv=3)"}, "num_kv_heads: '3' does not divide num_q_heads = 8"},
      {{"mha", "--dtype", "f33"}, "dtype: 'f33'"},
      {{"mha", "--force", "fuse@cpu"}, "forced: 'fuse@cpu' is not registered"},
      {{"mha", "--allow", "swa(w=0)"}, "'swa(w=0)' has w=0"},
      {{"mha", "--seqlen", "0"}, "--seqlen"}};
  for (const auto& [arguments, words] : cases) {
    auto all = arguments;
    all.insert(all.begin(), "dispatch");
    const auto result = attnbench(all);
    EXPECT_EQ(result.exit_code, 2) << words;
    EXPECT_THAT(result.err, HasSubstr(words));
  }
}

TEST(TuneCommand, WritesAProfileOrSaysWhyNot) {
  const TemporaryDirectory directory;
  const auto file = directory.file("profile.json");
  const auto result = attnbench({"tune", "--budget", "10s", "--threads", "1", "--dtype", "f32", "--mechanism",
                                 "linear", "--out", file});
  if (result.exit_code == 3) {  // a busy machine
    EXPECT_THAT(result.err, HasSubstr("nothing was written"));
    EXPECT_FALSE(std::filesystem::exists(file));
    return;
  }
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto used = attnbench({"dispatch", "linear", "--threads", "1", "--profile", file});
  EXPECT_THAT(used.out, HasSubstr("Profile: trusted"));
}

TEST(TuneCommand, BadInputIsNamedBeforeAnythingIsMeasured) {
  const std::pair<std::vector<std::string>, const char*> cases[] = {
      {{"--budget", "soon"}, "budget: 'soon'"},
      {{"--mechanism", "gqa(kv=4)"}, "is tuned with mha"},
      {{"--dtype", "int8"}, "dtype: 'int8'"},
      {{"--threads", "none"}, "threads: 'none'"},
      {{"--out", "/no/such/folder/p.json"}, "/no/such/folder/p.json"},
      {{"--merge", "/no/such/file.json"}, "merge: '/no/such/file.json'"},
      {{"--profile", "p.json"}, "profile: 'p.json' is for --certify alone"},
      {{"--traffic", "t.csv"}, "traffic: 't.csv' is for --certify alone"},
      {{"--certify", "--traffic", "/no/such.csv"}, "traffic: '/no/such.csv'"},
      {{"--certify", "--profile", "/no/such.json"}, "profile: '/no/such.json'"},
      {{"--certify", "--profile", "p.json", "--merge", "q.json"}, "merge: 'q.json' is for tuning"}};
  for (const auto& [arguments, words] : cases) {
    auto all = arguments;
    all.insert(all.begin(), "tune");
    const auto result = attnbench(all);
    EXPECT_EQ(result.exit_code, 2) << words;
    EXPECT_THAT(result.err, HasSubstr(words));
  }
}

}  // namespace
}  // namespace attnbench
