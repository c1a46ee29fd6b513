// What a profile says of dispatch, in a summary: choices of known costs and regrets by hand.
#include "tune/profile_tables.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/error.h"
#include "dispatch/profile.h"
#include "io/files.h"
#include "io/json.h"
#include "report/choices_table.h"
#include "report/summary.h"
#include "report/summary_check.h"
#include "support/command.h"
#include "support/profiles.h"
#include "unit/synthetic_run.h"

namespace attnbench {
namespace {

using nlohmann::json;
using test::attention_problem;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::string kDefault = "fused@cpu:portable", kOther = "unfused@cpu";

/// Of a held-out problem with two kernels, of which the default is chosen: its log-times are 0.2, 0.1, 0.4,
/// 0.3, the other's 0. Both halves pick the other; the odd processes differ by 0.1 and 0.3, the even ones by
/// 0.2 and 0.4: mean 0.25, squares 0.04 on two degrees of freedom, standard error sqrt(0.02 x (1/8 + 1/8)),
/// t 4.302653.
json certified_problem() {
  json times = {{kDefault, json::array()}, {kOther, {1.0, 1.0, 1.0, 1.0}}};
  for (const double log : {0.2, 0.1, 0.4, 0.3}) times[kDefault].push_back(std::exp(log));
  return {{"shapes", "drawn"},
          {"problem", to_json(attention_problem("mha", 101))},
          {"threads", 1},
          {"weight", 1.0},
          {"chosen", kDefault},
          {"default", kDefault},
          {"regret", std::expm1(0.25)},
          {"naive_regret", std::expm1(0.25)},
          {"seconds", times}};
}

json certificate_of(const CostProfile& profile, double low, double high, double apart) {
  return {{"measurements", measurements_hash(profile)},
          {"certified", true},
          {"noise_accepted", false},
          {"lacks", ""},
          {"parts",
           {{{"measured_utc", "2026-01-01T03:04:05Z"}, {"processes", 5}, {"rejected", 1}},
            {{"measured_utc", "2026-01-02T03:04:05Z"}, {"processes", 3}, {"rejected", 0}}}},
          {"summaries",
           {{{"shapes", "drawn"},
             {"problems", 1},
             {"regret", {{"estimate", 0.015}, {"low", low}, {"high", high}}},
             {"naive_regret", {{"estimate", 0.03}, {"low", 0.02}, {"high", 0.04}}},
             {"shown_ratio", 1.08},
             {"shown_faster", 1},
             {"not_the_default", 0},
             {"slower_than_default", 0},
             {"half_difference", apart}}}},
          {"problems", {certified_problem()}}};
}

class ProfileTables : public testing::Test {
 protected:
  ProfileTables() {
    for (const auto* variable : {"ATTNBENCH_PROFILE", "ATTNBENCH_FORCE_KERNEL", "ATTNBENCH_DENY_KERNELS"})
      unsetenv(variable);
    profile_.origin = origin_here(cpu_device(0));
    SyntheticRun run;
    run.contents.run.machine_key = profile_.origin.machine_key;
    const auto cell =
        run.add_cell(128, {SyntheticRun::kernel("mha", "unfused"), SyntheticRun::kernel("mha", "fused")});
    run.add_five(cell, {0.3}, {0.001});
    summary_ = summary_json(analyze(std::span(&run.contents, 1)), {});
  }

  /// Both kernels passed; the unfused one takes `share` of the fused one's time, which is the default.
  void measure_both(double share) {
    const auto fused = [](double n) { return 1e-6 + 1e-9 * n * n; };
    for (const auto& kernel : {kDefault, kOther})
      test::verify_in(profile_, kernel, attention_problem("mha", 64));
    test::measure_in(profile_, kDefault, "mha", 1, fused);
    test::measure_in(profile_, kOther, "mha", 1, [&](double n) { return share * fused(n); });
  }
  const json& add(const std::string& text) {
    const auto file = directory_.file("profile.json");
    write_text_file(file, text);
    add_profile(summary_, file);
    EXPECT_NO_THROW(check_summary(summary_));
    return summary_;
  }
  const json& add() { return add(to_text(profile_)); }
  std::string message_of(const std::string& text) {
    try {
      add(text);
    } catch (const InputError& error) {
      return error.what();
    }
    return "accepted";
  }
  json choice(std::int64_t seqlen, std::int64_t batch = 1, std::int64_t group = 1,
              std::int64_t head_dim = 64) const {
    for (const auto& row : summary_.at("tables").at("choices")) {
      if (row["seqlen"] == seqlen && row["seqlen_q"] == seqlen && row["batch"] == batch &&
          row["group_size"] == group && row["head_dim"] == head_dim)
        return row;
    }
    return nullptr;
  }
  std::string said(const char* words) const {
    const auto& text = summary_.at("profile").at(words);
    return text.is_string() ? text.get<std::string>() : text.at(0).get<std::string>();
  }

  testing_support::TemporaryDirectory directory_;
  CostProfile profile_;
  json summary_;
};

TEST_F(ProfileTables, TheFasterKernelIsChosenWithItsMeasuredTime) {
  measure_both(0.5);
  const auto& tables = add().at("tables");
  const auto row = choice(256);
  EXPECT_EQ(row["kernel"], kOther);
  EXPECT_EQ(row["is_default"], false);
  EXPECT_EQ(row["reason"], "faster");
  EXPECT_THAT(row["tied"], IsEmpty());
  // Half of 1 us + 1 ns x 256^2; the model gives back a measured point within its error of 0.2 %.
  EXPECT_NEAR(row["seconds"].get<double>(), 0.5 * (1e-6 + 1e-9 * 65536), 0.01 * 33e-6);
  EXPECT_LT(row["seconds_low"], row["seconds"]);
  EXPECT_NEAR(row["seconds"].get<double>() / row["seconds_low"].get<double>(),
              row["seconds_high"].get<double>() / row["seconds"].get<double>(), 1e-9);
  // 64 to 4096 were measured, and an octave beyond is known. 16 x 8 heads lie four octaves away.
  EXPECT_EQ(choice(8192)["kernel"], kOther);
  for (const auto& far : {choice(16), choice(16384), choice(256, 16)}) {
    EXPECT_EQ(far["kernel"].get<std::string>().find(kOther), std::string::npos);
    EXPECT_EQ(far["reason"], "default_out_of_range");
    EXPECT_TRUE(far["seconds"].is_null());
    EXPECT_THAT(far["tied"], IsEmpty());
  }
  // 15 N by 3 batches by 3 groups by 2 numbers of heads, and 10 KV as often.
  EXPECT_EQ(tables["choices"].size(), 25 * 18u);
  EXPECT_EQ(choice(256)["label"], "B " + kOther);
  EXPECT_EQ(choice(16)["label"], "A " + choice(16)["kernel"].get<std::string>());
  EXPECT_EQ(said("machine"), summary_["runs"][0]["machine"].get<std::string>());
  EXPECT_THAT(said("belongs"), HasSubstr("the machine of the run here"));
  EXPECT_THAT(said("regret_words"), HasSubstr("holds no certificate"));
}

TEST_F(ProfileTables, WhatIsNotShownToTakeLongerIsTied) {
  measure_both(0.99);  // too little to leave the default
  add();
  EXPECT_EQ(choice(256)["kernel"], kDefault);
  EXPECT_EQ(choice(256)["is_default"], true);
  EXPECT_THAT(choice(256)["tied"], ElementsAre(kOther));
}

TEST_F(ProfileTables, WhatTakesLongerIsNotTied) {
  measure_both(1.2);
  add();
  EXPECT_EQ(choice(256)["kernel"], kDefault);
  EXPECT_THAT(choice(256)["tied"], IsEmpty());
  EXPECT_THAT(said("choices_words"),
              HasSubstr("Of 450 problems, another kernel than the default is chosen in 0. In 0 "));
}

TEST_F(ProfileTables, RegretsByHand) {
  measure_both(0.5);
  profile_.certificate = certificate_of(profile_, 0.005, 0.018, 0.01);
  const auto row = add().at("tables").at("regrets").at(0);
  EXPECT_EQ(row["chosen"], kDefault);
  EXPECT_EQ(row["best"], kOther);
  EXPECT_EQ(row["seqlen"], 101);
  EXPECT_NEAR(row["regret"].get<double>(), std::expm1(0.25), 1e-12);
  EXPECT_NEAR(row["regret_low"].get<double>(), std::expm1(0.25 - 4.302653 * std::sqrt(0.005)), 1e-6);
  EXPECT_NEAR(row["regret_high"].get<double>(), std::expm1(0.25 + 4.302653 * std::sqrt(0.005)), 1e-6);
  EXPECT_THAT(said("regret_words"),
              HasSubstr("mean regret is 1.50 % (95 % CI 0.50 % to 1.80 %), shown to be at most 2 %"));
  EXPECT_THAT(said("regret_words"), testing::Not(HasSubstr("noise")));
  EXPECT_THAT(choices_markdown(summary_),
              HasSubstr("| 8/8 heads of 64 | 1 | 1-16 A?, 32-8192 B, 16384 A? |"));
  EXPECT_THAT(choices_table(summary_), HasSubstr("mha in f32, prefill, 1 thread: A "));
}

TEST_F(ProfileTables, SaysWhatACertificateDoesNotShow) {
  measure_both(0.5);
  profile_.certificate = certificate_of(profile_, -0.01, 0.04, 0.07);
  add();
  EXPECT_THAT(said("regret_words"), HasSubstr(", not shown to be at most 2 %"));
  EXPECT_THAT(said("regret_words"),
              HasSubstr("lie 7.00 % apart in the median, above 5 %: noise was accepted"));
  profile_.certificate = certificate_of(profile_, 0.021, 0.05, 0.01);
  add();
  EXPECT_THAT(said("regret_words"), HasSubstr(", shown to be above 2 %"));
}

TEST_F(ProfileTables, ACertificateOfAnotherRuleIsNamedAndNotTakenForOneOfTheseChoices) {
  measure_both(0.5);
  auto certificate = certificate_of(profile_, 0.005, 0.018, 0.01);
  certificate["rule"] = 1;
  profile_.certificate = certificate;
  EXPECT_FALSE(add().at("profile").at("certificate").contains("problem"));
  EXPECT_THAT(said("regret_words"), HasSubstr("On 1 problem drawn"));
  certificate["rule"] = 2;
  profile_.certificate = certificate;
  add();
  const std::string words = "certified for rule 2, this program chooses by rule 1";
  EXPECT_EQ(summary_["profile"]["certificate"]["problem"], words);
  EXPECT_EQ(said("regret_words"), "The certificate does not hold here: " + words +
                                      ". What it says is of choices by that other rule.");
  EXPECT_EQ(said("state"), "trusted");
  EXPECT_EQ(choice(256)["kernel"], kOther);
  EXPECT_THAT(testing_support::on_one_line(choices_table(summary_)), HasSubstr(words));
  EXPECT_THAT(choices_markdown(summary_), HasSubstr(words));
}

TEST_F(ProfileTables, AForeignOrStaleProfileIsNamedAndGivesNoChoices) {
  measure_both(0.5);
  profile_.certificate = certificate_of(profile_, 0.005, 0.018, 0.01);
  profile_.origin.library = "another";
  add();
  EXPECT_EQ(said("state"), "stale");
  EXPECT_THAT(said("choices_words"), HasSubstr("the kernels of another build"));
  EXPECT_THAT(summary_["tables"]["choices"], IsEmpty());
  EXPECT_EQ(summary_["tables"]["regrets"].size(), 1u);
  profile_.origin.machine_key = "ffff00001111";
  add();
  EXPECT_EQ(said("state"), "foreign");
  EXPECT_EQ(said("machine"), "machine ffff0000");
  EXPECT_THAT(said("belongs"), HasSubstr("another machine than the runs here"));
  EXPECT_THAT(choices_table(summary_), HasSubstr("The profile is foreign"));
}

TEST_F(ProfileTables, WhatIsWrongWithAFileIsNamed) {
  measure_both(0.5);
  profile_.certificate = certificate_of(profile_, 0.005, 0.018, 0.01);
  const auto with = [&](const char* pointer, const json& value) {
    auto text = json::parse(to_text(profile_));
    text[json::json_pointer(pointer)] = value;
    return message_of(text.dump());
  };
  EXPECT_THAT(message_of("{"), HasSubstr("profile.json"));
  EXPECT_THAT(with("/schema", 2), HasSubstr("newer than 1"));
  EXPECT_THAT(with("/costs/0/seconds", -1.0), HasSubstr("costs[0]: seconds: '-1"));
  EXPECT_THAT(with("/certificate/parts/1/rejected", -1), HasSubstr("rejected: '-1' is below 0"));
  EXPECT_THAT(with("/certificate/summaries/0/regret/estimate", "low"), HasSubstr("summaries[0]: estimate"));
  EXPECT_THAT(with("/certificate/problems/0/chosen", "a@b"),
              HasSubstr("problems[0]: chosen: 'a@b' is none of"));
  EXPECT_THAT(with("/certificate/problems/0/regret", 0.1), HasSubstr("is not what its seconds give"));
  EXPECT_THAT(with("/certificate/problems/0/seconds/unfused@cpu", {1.0, 0.0, 1.0, 1.0}),
              HasSubstr("seconds.unfused@cpu: '0' is no time"));
  EXPECT_THAT(with("/certificate/problems/0/shapes", "some"), HasSubstr("shapes: 'some'"));
  setenv("ATTNBENCH_FORCE_KERNEL", kOther.c_str(), 1);
  EXPECT_THAT(message_of(to_text(profile_)), HasSubstr("would change the choices"));
  unsetenv("ATTNBENCH_FORCE_KERNEL");
}

TEST(ChoicesTable, IsEmptyWithoutAProfile) {
  EXPECT_EQ(choices_table(json::object()), "");
  EXPECT_EQ(choices_markdown(json::object()), "");
}

}  // namespace
}  // namespace attnbench
