// What a profile's choices cost: by hand, and measured in workers of the program under test.
#include "tune/certify.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/error.h"
#include "attnbench/registry.h"
#include "dispatch/kernel_names.h"
#include "io/files.h"
#include "support/command.h"
#include "support/profiles.h"
#include "tune/certificate.h"
#include "tune/coverage.h"
#include "tune/rounds.h"

namespace attnbench {
namespace {

using test::attention_problem;
using testing::ElementsAre;
using testing::HasSubstr;

/// Four processes in which each kernel takes the same time.
CertifiedProblem steady(const std::vector<std::string>& kernels, const std::vector<double>& seconds,
                        std::size_t chosen, std::size_t standard, double weight = 1) {
  CertifiedProblem problem;
  problem.held_out = {attention_problem("mha", 100), 1, weight};
  problem.kernels = kernels;
  problem.chosen = chosen;
  problem.standard = standard;
  for (const double time : seconds) problem.seconds.push_back({time, time, time, time});
  return problem;
}

TEST(Certified, NumbersByHand) {
  const std::vector<CertifiedProblem> problems = {
      steady({"a@x", "b@x"}, {1, 2}, 0, 0),            // the default is chosen, and the best
      steady({"a@x", "b@x", "c@x"}, {4, 1, 2}, 1, 0),  // another, which is the best
      steady({"b@x", "a@x"}, {1.5, 1.0}, 0, 1),        // another, 50 % slower than the default
      steady({"a@x", "c@x"}, {1.05, 1.0}, 0, 0, 2)};   // the default, 5 % slower than the best; weighs twice
  const auto all = certified(problems);
  EXPECT_NEAR(all.regret.cross_fitted.estimate, (0 + 0 + 0.5 + 2 * 0.05) / 5, 1e-12);
  EXPECT_THAT(all.regret.shown, ElementsAre(2));  // 5 % is within 8 %
  EXPECT_EQ(all.other_choices, 2u);
  EXPECT_THAT(all.slower_than_default, ElementsAre(2));
  EXPECT_THAT(all.fixed, ElementsAre("a@x", "b@x", "c@x"));
  // Weighed log-times. a: 0 + ln 4 + 0 + 2 ln 1.05 = 1.48; b, and the default where it cannot be used:
  // ln 2 + 0 + ln 1.5 + 2 ln 1.05 = 1.20; c: 0 + ln 2 + 0 + 0 = 0.69, the best.
  EXPECT_THAT(all.gain.best, ElementsAre(2, 2));
  // Chosen: 0 + 0 + ln 1.5 + 2 ln 1.05.
  EXPECT_NEAR(std::log(all.gain.ratio.estimate), (std::log(2) - std::log(1.5) - 2 * std::log(1.05)) / 5,
              1e-12);
  // The default over the chosen: 1, 4, 1/1.5, 1 twice.
  EXPECT_NEAR(std::log(all.gain_over_default.estimate), (std::log(4) - std::log(1.5)) / 5, 1e-12);
  EXPECT_THAT(all.worst, ElementsAre(2, 3, 0, 1));
}

TEST(Certified, TheWordNeedsTwoHundredProblemsOnEachNumberOfThreads) {
  std::vector<CertifiedProblem> problems(199, steady({"a@x", "b@x"}, {1, 2}, 0, 0));
  EXPECT_EQ(certificate_lacks(problems, {1}), "199 of 200 held-out problems were measured");
  problems.push_back(problems.front());
  EXPECT_EQ(certificate_lacks(problems, {1}), "");
  EXPECT_THAT(certificate_lacks(problems, {1, 4}),
              HasSubstr("no held-out problem was measured on 4 threads"));
  problems.back().held_out.threads = 4;
  EXPECT_EQ(certificate_lacks(problems, {1, 4}), "");
  EXPECT_THAT(certificate_lacks({}, {1}), HasSubstr("0 of 200"));
}

TEST(Certified, WordsFitATerminalAndSayWhatIsWanting) {
  CertifyResult result;
  result.tuned_threads = {1, 4};
  result.drawn = {steady({"a@x", "b@x"}, {1, 2}, 0, 0), steady({"a@x", "b@x"}, {3, 1}, 0, 1)};
  result.drawn[1].held_out.threads = 2;
  result.noise_accepted = true;
  result.left_out = {"mha in f32: too long"};
  result.in_part = certificate_lacks(result.drawn, result.tuned_threads);
  const auto words = in_words(result);
  for (const auto* part :
       {"Not certified: 2 of 200 held-out problems were measured", "Noise was accepted",
        "by threads: 1 on 1, 1 on 2 (not tuned), 0 on 4", "mean regret, cross-fitted", "mean regret, naive",
        "1 of 2 (50.0 %)", "time of the default / of the choice", "a@x, not b@x", "mha in f32: too long"})
    EXPECT_THAT(words, HasSubstr(part));
  std::istringstream lines(words);
  for (std::string line; std::getline(lines, line);) EXPECT_LE(line.size(), 80u) << line;
}

TEST(Certified, ACertificateIsReadAsItWasWritten) {
  CertifyResult result;
  result.tuned_threads = {1};
  result.drawn = {steady({"a@x", "b@x"}, {1, 2}, 0, 1)};
  result.traffic = {steady({"a@x", "b@x"}, {3, 1}, 0, 1, 2.5)};
  result.traffic[0].of_traffic = true;
  result.traffic[0].seconds_again = result.traffic[0].seconds;
  result.left_out = {"one shape"};
  const auto certificate =
      certificate_of(result, nlohmann::json::array({*to_json(CertificatePart{})}), "0123456789abcdef");
  const auto read = read_certificate(certificate);
  EXPECT_EQ(read.parts->size(), 1u);
  EXPECT_EQ(read.left_out, result.left_out);
  ASSERT_EQ(read.drawn.size(), 1u);
  ASSERT_EQ(read.traffic.size(), 1u);
  result.drawn = read.drawn;
  result.traffic = read.traffic;
  EXPECT_EQ(*certificate_of(result, read.parts, "0123456789abcdef"), *certificate);
  EXPECT_EQ(certificate->at("rule"), 1);
  auto wrong = certificate;
  (*wrong)["rule"] = 2;  // what it chose is not what would be chosen now
  try {
    read_certificate(wrong);
    ADD_FAILURE();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("certified for rule 2, this program chooses by rule 1; remove it"));
  }
  wrong = certificate;
  (*wrong)["problems"][0]["chosen"] = "c@x";
  try {
    read_certificate(wrong);
    ADD_FAILURE();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("chosen: 'c@x' is none of the kernels timed"));
  }
}

/// A group is measured to its end before the next: time that runs out costs the last ones alone.
TEST(CertifyGroups, HoldEachProblemOnceAndARoundOfThemIsShort) {
  std::vector<Subject> subjects(20);
  std::vector<Subject*> all, grouped;
  for (auto& subject : subjects) {
    subject.expected_seconds = 1;
    all.push_back(&subject);
  }
  subjects[7].expected_seconds = 9;  // alone longer than a group
  const auto groups = groups_of(all, 4, 1);
  EXPECT_GE(groups.size(), 6u);  // 19 of a second in fours, and the long one
  for (const auto& group : groups) {
    double seconds = 0;
    for (const auto* subject : group) seconds += subject->expected_seconds;
    EXPECT_TRUE(seconds <= 4 || group.size() == 1);
    grouped.insert(grouped.end(), group.begin(), group.end());
  }
  EXPECT_THAT(grouped, testing::UnorderedElementsAreArray(all));
  EXPECT_NE(grouped, all);  // in random order
  EXPECT_TRUE(groups_of({}, 4, 1).empty());
}

class Certify : public testing::Test {
 protected:
  Certify() {
    unset();
    const auto device = cpu_device(1);
    CostProfile profile;
    profile.origin = origin_here(device);
    const auto problem = attention_problem("linear", 64);
    for (const auto* kernel : kernels()) {
      if (!computes(*kernel, MechanismKind::linear) || !kernel->supports(problem, device) ||
          !kernel->other_function(problem).empty() || kernels_.size() == 3)
        continue;
      kernels_.push_back(name_of(*kernel));
      test::verify_in(profile, kernels_.back(), problem);
      // The later, the faster: never true of all, and never the default.
      const auto factor = 1 - 0.3 * static_cast<double>(kernels_.size());
      test::measure_in(profile, kernels_.back(), "linear", 1, [&](double n) { return factor * 2e-5 * n; });
    }
    profile_ = profile;
    file_ = directory_.file("profile.json");
    write_text_file(file_, to_text(profile));
    options_.measuring.program = testing_support::program();
    options_.measuring.threads = {1};
    options_.measuring.dtypes = {DType::f32};
    options_.measuring.mechanisms = {parse_mechanism("linear")};
    options_.measuring.budget_seconds = 12;
    options_.measuring.memory_bytes = std::int64_t{1} << 28;
    options_.measuring.accept_noise = true;
    options_.profile = file_;
    options_.problems = 5;
  }
  ~Certify() override { unset(); }
  static void unset() {
    for (const auto* variable : {"ATTNBENCH_PROFILE", "ATTNBENCH_FORCE_KERNEL", "ATTNBENCH_DENY_KERNELS"})
      unsetenv(variable);
  }

  std::vector<std::string> kernels_;
  CostProfile profile_;
  const testing_support::TemporaryDirectory directory_;
  std::string file_;
  CertifyOptions options_;
};

TEST_F(Certify, EveryKernelIsTimedOnProblemsThatWereNotTuned) {
  options_.measuring.budget_seconds = 20;
  ASSERT_GE(kernels_.size(), 2u);
  options_.traffic = {{attention_problem("linear", 150), 1, 4},
                      {attention_problem("linear", 128), 1, 1},
                      {attention_problem("mha", 8), 1, 1},
                      {attention_problem("linear", 150), 2, 1},
                      {attention_problem("linear", 150), 1, 1}};
  options_.traffic[4].problem.shape.batch = 1'000'000;
  options_.traffic_file = "mine.csv";
  const auto result = certify(options_, [](const std::string&) {});
  if (!result.refused.empty()) GTEST_SKIP() << "a busy machine: " << result.refused;
  for (const auto* left_out :
       {"128 x 128, 1 thread: was timed for tuning", "8 x 8, 1 thread: tuning did not cover mha",
        "150 x 150, 2 threads: tuning did not cover 2 threads (only 1)", "linear in f32, batch 1000000",
        "not drawn: tuning did not cover a head dimension of 128 (only 64)"})
    EXPECT_THAT(result.left_out, testing::Contains(HasSubstr(left_out)));
  if (result.drawn.size() + result.traffic.size() < 6) GTEST_SKIP() << "a busy machine: time ran out";
  ASSERT_EQ(result.drawn.size(), 5u);
  ASSERT_EQ(result.traffic.size(), 1u);
  const TunedCoverage coverage(profile_);
  for (const auto* some : {&result.drawn, &result.traffic}) {
    for (const auto& problem : *some) {
      EXPECT_FALSE(coverage.was_timed(problem.held_out.problem));
      EXPECT_EQ(coverage.not_covered(problem.held_out.problem, problem.held_out.threads), "");
      EXPECT_THAT(problem.kernels, testing::UnorderedElementsAreArray(kernels_));
      EXPECT_EQ(problem.seconds.size(), kernels_.size());
      for (const auto& times : problem.seconds) {
        EXPECT_GE(times.size(), 4u);
        EXPECT_EQ(times.size() % 2, 0u);
      }
    }
  }
  // Where the profile has times, its lie is believed: the last kernel.
  EXPECT_EQ(result.traffic[0].kernels[result.traffic[0].chosen], kernels_.back());
  EXPECT_NE(result.traffic[0].kernels[result.traffic[0].standard], kernels_.back());

  const auto& certificate = *result.certificate;
  EXPECT_EQ(certificate.at("measurements"), measurements_hash(profile_));
  EXPECT_EQ(certificate.at("problems").size(), 6u);
  EXPECT_EQ(certificate.at("summaries").size(), 2u);
  EXPECT_EQ(certificate.at("summaries")[1].at("shapes"), "traffic");
  EXPECT_EQ(certificate.at("summaries")[0].at("regret").at("estimate"),
            certified(result.drawn).regret.cross_fitted.estimate);
  EXPECT_EQ(certificate.at("certified"), false);
  EXPECT_EQ(certificate.at("held_out_problems"), 5);
  EXPECT_EQ(certificate.at("noise_accepted"), true);
  EXPECT_EQ(certificate.at("threads").dump(), R"([{"problems":5,"threads":1,"tuned":true}])");
  EXPECT_EQ(result.in_part, "5 of 200 held-out problems were measured");
  auto with = profile_;
  with.certificate = result.certificate;
  const auto text = to_text(with);
  EXPECT_EQ(to_text(parse_profile_text(text, "profile")), text);

  write_text_file(file_, text);
  if (std::system("python3 -c 'import jsonschema' 2>/dev/null") != 0) return;
  const std::string program =
      "import json,sys,jsonschema as j;"
      "s,p=(json.load(open(f)) for f in sys.argv[1:]);"
      "v=j.Draft202012Validator(s);v.check_schema(s);v.validate(p);"
      "p['certificate']['rank']=1;sys.exit(v.is_valid(p))";
  EXPECT_EQ(std::system(
                ("python3 -c \"" + program + "\" " ATTNBENCH_SOURCE_DIR "/docs/profile.schema.json " + file_)
                    .c_str()),
            0);
}

TEST_F(Certify, GoesOnWithACertificateInPart) {
  options_.problems = 2;
  const auto first = certify(options_, [](const std::string&) {});
  if (!first.refused.empty()) GTEST_SKIP() << "a busy machine: " << first.refused;
  options_.problems = 5;
  options_.earlier = first.certificate;
  const auto both = certify(options_, [](const std::string&) {});
  if (!both.refused.empty()) GTEST_SKIP() << "a busy machine: " << both.refused;
  EXPECT_GT(both.drawn.size(), first.drawn.size());
  EXPECT_LE(both.drawn.size(), 5u);
  EXPECT_EQ(both.certificate->at("parts").size(), 2u);
  EXPECT_EQ(both.certificate->at("problems")[0], first.certificate->at("problems")[0]);
  for (std::size_t i = 0; i < both.drawn.size(); ++i) {
    for (std::size_t k = 0; k < i; ++k) EXPECT_FALSE(both.drawn[i].held_out == both.drawn[k].held_out);
  }
}

TEST_F(Certify, WithoutTimeThereIsNoCertificate) {
  options_.measuring.budget_seconds = 0.01;
  const auto result = certify(options_, [](const std::string&) {});
  EXPECT_THAT(result.refused, HasSubstr("name a larger one"));
  EXPECT_TRUE(result.certificate->is_null());
}

TEST_F(Certify, OnlyAProfileOfHereWithChoicesOfItsOwn) {
  const auto refuse = [&](const std::string& words) {
    try {
      certify(options_, [](const std::string&) {});
      ADD_FAILURE() << words;
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), HasSubstr(words));
    }
  };
  setenv("ATTNBENCH_DENY_KERNELS", kernels_.front().c_str(), 1);
  refuse("ATTNBENCH_DENY_KERNELS: '" + kernels_.front() + "' would change the choices");
  unset();
  auto other = profile_;
  other.origin.library = "0123456789abcdef";
  write_text_file(file_, to_text(other));
  refuse("kernels of another build");
  other = profile_;
  other.costs.clear();
  write_text_file(file_, to_text(other));
  refuse("holds no times");
  write_text_file(file_, to_text(profile_));
  options_.measuring.dtypes = {DType::bf16};
  refuse("covers nothing of the mechanisms and element types asked for");
}

}  // namespace
}  // namespace attnbench
