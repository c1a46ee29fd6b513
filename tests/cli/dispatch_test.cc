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

/// A file that must stay as it is until there is a certificate, and what is measured until then.
class TuneCommandCertify : public testing::Test {
 protected:
  void SetUp() override {
    const auto tuned = attnbench({"tune", "--accept-noise", "--budget", "10s", "--threads", "1", "--dtype",
                                  "f32", "--mechanism", "linear", "--out", profile_});
    if (tuned.exit_code == 3) GTEST_SKIP() << "a busy machine: " << tuned.err;
    ASSERT_EQ(tuned.exit_code, 0) << tuned.err;
    EXPECT_THAT(tuned.out, HasSubstr("Noise was accepted"));
    EXPECT_EQ(read(profile_).at("environment").at("noise"), "accepted");
    mine_ = text(profile_) + "\n";
    std::ofstream(out_) << mine_;
  }
  auto certify(const std::string& profile, const std::string& budget) const {
    return attnbench({"tune", "--certify", "--accept-noise", "--profile", profile, "--out", out_, "--threads",
                      "1", "--dtype", "f32", "--mechanism", "linear", "--budget", budget});
  }
  static std::string text(const std::string& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  static nlohmann::json read(const std::string& file) { return nlohmann::json::parse(text(file)); }

  std::string mine_;  ///< a profile that was there before
  const TemporaryDirectory directory_;
  const std::string profile_ = directory_.file("tuned.json"), out_ = directory_.file("profile.json");
  const std::string kept_ = directory_.file("profile.uncertified.json");
};

TEST_F(TuneCommandCertify, WithoutACertificateTheFileIsAsItWas) {
  const auto before = text(profile_);
  const auto result = certify(profile_, "1s");
  EXPECT_EQ(result.exit_code, 3) << result.err;
  EXPECT_THAT(result.err, HasSubstr(out_ + " is as it was"));
  EXPECT_EQ(text(out_), mine_);
  EXPECT_EQ(text(profile_), before);
}

TEST(TuneCommand, ReplacesNoFileOfAnother) {
  const TemporaryDirectory directory;
  const auto mine = directory.file("mine.json");
  std::ofstream(mine) << "{\"a\": 1}";
  for (const auto& out : {mine, std::string("/dev/null")}) {
    const auto result = attnbench({"tune", "--accept-noise", "--budget", "10s", "--out", out});
    EXPECT_EQ(result.exit_code, 2) << out;
    EXPECT_THAT(result.err, HasSubstr("out: '" + out + "' is "));
  }
  std::ifstream in(mine);
  EXPECT_EQ((std::string{std::istreambuf_iterator<char>(in), {}}), "{\"a\": 1}");
}

TEST_F(TuneCommandCertify, APartIsKeptBesideItAndGoneOnWith) {
  auto result = certify(profile_, "10s");
  ASSERT_EQ(result.exit_code, 3) << result.err;
  EXPECT_EQ(text(out_), mine_);
  if (!std::filesystem::exists(kept_)) GTEST_SKIP() << "a busy machine: " << result.err;
  EXPECT_THAT(result.out, HasSubstr("Not certified: "));
  EXPECT_THAT(result.out, HasSubstr("Noise was accepted"));
  EXPECT_THAT(result.err, HasSubstr("--certify --profile " + kept_ + " --out " + out_));
  EXPECT_EQ(certify(profile_, "10s").exit_code, 2);  // it would be written over

  // As if 199 had been measured: the next makes it whole.
  auto part = read(kept_);
  auto& certificate = part.at("certificate");
  EXPECT_EQ(certificate.at("certified"), false);
  const auto first = certificate.at("problems").at(0);
  certificate["problems"] = nlohmann::json::array();
  for (int batch = 101; batch < 300; ++batch) {
    certificate["problems"].push_back(first);
    certificate["problems"].back()["problem"]["shape"]["batch"] = batch;
  }
  std::ofstream(kept_) << part;

  // One by another rule is named, and not gone on with.
  const auto other_rule = directory_.file("other-rule.json");
  certificate["rule"] = 2;
  std::ofstream(other_rule) << part;
  const auto used = attnbench({"dispatch", "linear", "--threads", "1", "--profile", other_rule});
  EXPECT_THAT(used.out,
              HasSubstr("Profile: trusted\nIts certificate does not hold: certified for rule 2, this "
                        "program chooses by rule 1\n"));
  const auto json = attnbench({"dispatch", "linear", "--threads", "1", "--profile", other_rule, "--json"});
  EXPECT_EQ(nlohmann::json::parse(json.out).at("certificate_problem"),
            "certified for rule 2, this program chooses by rule 1");
  const auto refused = attnbench({"tune", "--certify", "--accept-noise", "--profile", other_rule, "--out",
                                  directory_.file("other-out.json"), "--budget", "10s", "--dtype", "f32",
                                  "--mechanism", "linear"});
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("certified for rule 2"));

  result = certify(kept_, "10s");
  if (result.exit_code == 3) GTEST_SKIP() << "a busy machine: " << result.err;
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_FALSE(std::filesystem::exists(kept_));
  const auto whole = read(out_).at("certificate");
  EXPECT_EQ(whole.at("certified"), true);
  EXPECT_EQ(whole.at("held_out_problems"), 200);
  EXPECT_EQ(whole.at("parts").size(), 2u);
  EXPECT_THAT(result.out, HasSubstr("Certified on 200 held-out problems"));
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
