// Profiles: written and read, compared line by line, merged; and what tuning makes of measurements.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <random>
#include <set>
#include <string>

#include "attnbench/error.h"
#include "attnbench/registry.h"
#include "dispatch/cost_book.h"
#include "dispatch/kernel_names.h"
#include "dispatch/profile.h"
#include "support/profiles.h"
#include "tune/evidence.h"
#include "tune/grid.h"

namespace attnbench {
namespace {

using test::attention_problem;
using test::measure_in;
using test::verify_in;
using testing::HasSubstr;

CostProfile sample() {
  CostProfile profile;
  profile.origin = {"0123456789abcdef", "fedcba9876543210", "cpu"};
  profile.environment = {{"onednn", "3.1"}, {"measured_utc", "2026-01-31T23:59:59Z"}};
  for (const auto* kernel : {"unfused@cpu", "fused@cpu:portable"}) {
    verify_in(profile, kernel, attention_problem("mha", 64));
    measure_in(profile, kernel, "mha", 2, [](double n) { return 1e-9 * n * n; });
  }
  return profile;
}

std::size_t lines_that_differ(const std::string& a, const std::string& b) {
  const auto lines = [](const std::string& text) {
    std::vector<std::string> all;
    for (std::size_t at = 0; at < text.size();) {
      const auto end = text.find('\n', at);
      all.push_back(text.substr(at, end - at));
      at = end + 1;
    }
    std::sort(all.begin(), all.end());
    return all;
  };
  const auto of_a = lines(a), of_b = lines(b);
  std::vector<std::string> only;
  std::set_symmetric_difference(of_a.begin(), of_a.end(), of_b.begin(), of_b.end(), std::back_inserter(only));
  return only.size();
}

TEST(Profile, IsReadAsItWasWritten) {
  const auto profile = sample();
  const auto text = to_text(profile);
  const auto again = parse_profile_text(text, "file");
  EXPECT_EQ(again.origin, profile.origin);
  EXPECT_EQ(again.environment, profile.environment);
  EXPECT_THAT(again.verified, testing::UnorderedElementsAreArray(profile.verified));
  EXPECT_THAT(again.costs, testing::UnorderedElementsAreArray(profile.costs));
  EXPECT_EQ(to_text(again), text);
}

TEST(Profile, OneTimeIsOneLineWhateverTheOrder) {
  auto profile = sample();
  const auto text = to_text(profile);
  std::reverse(profile.costs.begin(), profile.costs.end());
  std::reverse(profile.verified.begin(), profile.verified.end());
  EXPECT_EQ(to_text(profile), text);
  profile.costs[3].seconds *= 2;
  EXPECT_EQ(lines_that_differ(to_text(profile), text), 2u);  // the old line and the new one
}

TEST(Profile, WhatIsWrongIsNamed) {
  const auto refuse = [](const std::string& text, const std::string& words) {
    try {
      parse_profile_text(text, "mine.json");
      ADD_FAILURE() << words;
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("mine.json"), HasSubstr(words)));
    }
  };
  const auto replaced = [](const std::string& what, const std::string& by) {
    auto text = to_text(sample());
    return text.replace(text.find(what), what.size(), by);
  };
  refuse("", "line 1");
  refuse("[]", "format");
  refuse(replaced("attnbench-profile", "another"), "is not attnbench-profile");
  refuse(replaced("\"threads\":2", "\"threads\":2.5"), "threads: '2.5' is not a whole number");
  refuse(replaced("\"log_error\":0.002", "\"log_error\":-1"), "log_error: '-1' is not between 0 and 10");
  refuse(replaced("\"kernel\":\"fused@cpu:portable\"", "\"kernel\":\"fused\""), "is not of the form");
  refuse(replaced("\"num_q_heads\":8", "\"num_q_heads\":0"), "num_q_heads");
  refuse(replaced("\"deterministic\":true", "\"deterministic\":1"), "deterministic");
  auto twice = sample();
  twice.costs.push_back(twice.costs.front());
  refuse(to_text(twice), "is there twice");
  EXPECT_THROW(parse_profile_text(replaced("\"schema\": 1", "\"schema\": 99"), "mine.json"), NewerProfile);
}

/// Block sizes of one kernel differ by more than their useful FLOPs: here the larger blocks compute more
/// pairs in a quarter of the time, at all the same N.
TEST(Profile, ABlockSizeLeftOpenIsChosenByItsOwnTimes) {
  const auto device = test::device_of(1);
  const auto small = attention_problem("block_sparse(bs=32,globals=1)", 300);
  const auto large = attention_problem("block_sparse(bs=64,globals=1)", 300);
  const KernelInfo* kernel = nullptr;
  for (const auto* registered : kernels()) {
    if (kernel == nullptr && computes(*registered, MechanismKind::block_sparse) &&
        registered->supports(small, device))
      kernel = registered;
  }
  ASSERT_NE(kernel, nullptr);
  CostProfile profile;
  measure_in(profile, name_of(*kernel), "block_sparse(bs=32,globals=1)", 1,
             [](double n) { return 2e-8 * n; });
  measure_in(profile, name_of(*kernel), "block_sparse(bs=64,globals=1)", 1,
             [](double n) { return 5e-9 * n; });
  const CostBook book(profile, device);
  const auto seconds = [&](const Problem& problem) {
    const auto cost = book.cost(*kernel, problem, 1);
    return cost.time ? std::exp(cost.time->log_seconds) : 0;
  };
  EXPECT_NEAR(seconds(small) / (2e-8 * 300), 1, 0.1);
  EXPECT_NEAR(seconds(large) / (5e-9 * 300), 1, 0.1);
  // One that was not timed: between them, by all times of the kind.
  const double other = seconds(attention_problem("block_sparse(bs=128,globals=1)", 300));
  EXPECT_GT(other, 0);
}

/// Query heads that share K and V fill a tile with few queries: their times, here ten times as long at the
/// same N and heads, say nothing of heads that share none.
TEST(Profile, SharedHeadsArePredictedByTheirOwnTimes) {
  const auto device = test::device_of(1);
  const auto own = attention_problem("mha", 300), shared = attention_problem("gqa(kv=2)", 300);
  const auto* kernel = find_kernel({own.mechanism, "fused", "cpu", "portable"});
  ASSERT_NE(kernel, nullptr);
  ASSERT_EQ(kind_of(own), kind_of(shared));
  CostProfile profile;
  measure_in(profile, name_of(*kernel), "mha", 1, [](double n) { return 1e-8 * n; });
  measure_in(profile, name_of(*kernel), "gqa(kv=2)", 1, [](double n) { return 1e-7 * n; });
  const CostBook book(profile, device);
  const auto seconds = [&](const Problem& problem) {
    const auto cost = book.cost(*kernel, problem, 1);
    return cost.time ? std::exp(cost.time->log_seconds) : 0;
  };
  EXPECT_NEAR(seconds(own) / (1e-8 * 300), 1, 0.1);
  EXPECT_NEAR(seconds(shared) / (1e-7 * 300), 1, 0.1);
  EXPECT_NEAR(seconds(attention_problem("gqa(kv=4)", 300)) / (1e-7 * 300), 1, 0.3);  // more bytes
}

/// Damaged anywhere, a profile is read or refused, and never anything else.
TEST(Profile, DamageIsReadOrRefused) {
  const auto text = to_text(sample());
  std::mt19937_64 random(11);
  for (int i = 0; i < 600; ++i) {
    auto damaged = text;
    const auto at = random() % damaged.size();
    if (i % 3 == 0) {
      damaged.erase(at, 1 + random() % 40);
    } else if (i % 3 == 1) {
      damaged[at] = static_cast<char>(random() % 256);
    } else {
      damaged.resize(at);
    }
    try {
      parse_profile_text(damaged, "file");
    } catch (const InputError&) {
    }
  }
}

/// A certificate is of the very measurements beside it, in whatever order.
TEST(Profile, ACertificateHoldsForItsOwnMeasurements) {
  auto profile = sample();
  profile.certificate = nlohmann::json{{"measurements", measurements_hash(profile)},
                                       {"problems", {{{"threads", 1}}, {{"threads", 2}}}}};
  const auto text = to_text(profile);
  EXPECT_THAT(text, HasSubstr("\n      {\"threads\":1},\n      {\"threads\":2}\n"));  // one a line
  const auto again = parse_profile_text(text, "mine.json");
  EXPECT_EQ(again.certificate, profile.certificate);
  EXPECT_EQ(to_text(again), text);
  std::reverse(profile.costs.begin(), profile.costs.end());
  EXPECT_EQ(measurements_hash(profile), measurements_hash(again));
  EXPECT_TRUE(merge(profile, sample()).certificate->is_null());
  profile.costs[0].seconds *= 2;
  try {
    parse_profile_text(to_text(profile), "mine.json");
    ADD_FAILURE();
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("is of other measurements than those here"));
  }
  for (const nlohmann::json& rule : {nlohmann::json(0), nlohmann::json("1"), nlohmann::json(1.5)}) {
    profile.certificate = nlohmann::json{{"measurements", measurements_hash(profile)}, {"rule", rule}};
    EXPECT_THROW(parse_profile_text(to_text(profile), "mine.json"), InputError) << rule;
  }
  profile.certificate = nlohmann::json{{"problems", 3}};
  EXPECT_THROW(parse_profile_text(to_text(profile), "mine.json"), InputError);
}

TEST(Profile, MergedTimesAreWeighedByTheirPrecision) {
  auto a = sample();
  auto b = sample();
  a.costs.resize(1);
  b.costs.resize(2);
  a.costs[0].seconds = 1;
  a.costs[0].log_error = 0.1;
  b.costs[0].seconds = 4;
  b.costs[0].log_error = 0.2;
  b.verified[0].deterministic = false;
  b.environment["onednn"] = "3.2";
  const auto merged = merge(a, b);
  ASSERT_EQ(merged.costs.size(), 2u);
  // Precisions 100 and 25: log 4 counts a fifth. 1 / sqrt(125) is the error.
  EXPECT_NEAR(merged.costs[0].seconds, std::pow(4, 0.2), 1e-12);
  EXPECT_NEAR(merged.costs[0].log_error, 0.0894427, 1e-6);
  EXPECT_EQ(merged.costs[0].processes, 6);
  EXPECT_EQ(merged.environment.at("onednn"), "3.2");
  ASSERT_EQ(merged.verified.size(), 2u);
  EXPECT_EQ(merged.verified[0].deterministic + merged.verified[1].deterministic, 1);
  auto other = b;
  other.origin.machine_key = "1111111111111111";
  EXPECT_THROW(merge(a, other), InputError);
  other = b;
  other.origin.library = "1111111111111111";
  EXPECT_THROW(merge(a, other), InputError);
}

TEST(Profile, KindsThatRunOtherCodeAreKeptApart) {
  const auto base = attention_problem("mha", 64);
  EXPECT_EQ(kind_of(base), kind_of(attention_problem("mqa", 4096)));
  EXPECT_EQ(kind_of(base), kind_of(attention_problem("gqa(kv=4)", 64)));
  EXPECT_NE(kind_of(base), kind_of(attention_problem("mha(causal)", 64)));
  EXPECT_NE(kind_of(base), kind_of(attention_problem("mha", 64, DType::bf16)));
  EXPECT_NE(kind_of(base), kind_of(attention_problem("swa(w=64)", 64)));
  auto other = base;
  other.shape.layout = Layout::bshd;
  EXPECT_NE(kind_of(base), kind_of(other));
  EXPECT_EQ(in_words(kind_of(attention_problem("mha(causal)", 64))), "causal mha in f32, bhsd, core scope");
}

TEST(Evidence, MeanOverProcessesWithTheErrorThatTheyShow) {
  // One process: as if two more had differed by 3 %. Of -0.1, 0.1: (0.02 + 2 x 0.0009) / 3 over two.
  const std::vector<double> one = {-7}, two = {-0.1, 0.1};
  EXPECT_NEAR(mean_over_processes(one).log_seconds, -7, 1e-12);
  EXPECT_NEAR(mean_over_processes(one).log_error, 0.03, 1e-12);
  EXPECT_NEAR(mean_over_processes(two).log_seconds, 0, 1e-12);
  EXPECT_NEAR(mean_over_processes(two).log_error, std::sqrt(0.0218 / 3 / 2), 1e-12);
}

TEST(Evidence, TimesOfOneProblemAndKernelBelongTogether) {
  Evidence first, all;
  const auto problem = attention_problem("mha", 64);
  first.add("a@cpu", problem, 2, 1);
  first.add("b@cpu", problem, 2, 3);
  all.add("a@cpu", problem, 2, 4);
  all.add("a@cpu", problem, 1, 9);
  all.add(first);
  const auto costs = all.costs();
  ASSERT_EQ(costs.size(), 3u);
  const auto found = std::find_if(costs.begin(), costs.end(), [](const MeasuredCost& cost) {
    return cost.kernel == "a@cpu" && cost.threads == 2;
  });
  ASSERT_NE(found, costs.end());
  EXPECT_NEAR(found->seconds, 2, 1e-12);
  EXPECT_EQ(found->processes, 2);
}

TEST(TuneGrid, IsValidAndCoversPrefillAndDecode) {
  const auto grid = tune_grid({parse_mechanism("mha"), parse_mechanism("causal_linear")}, {DType::f32});
  std::size_t coarse = 0;
  double most_keys = 0, most_n = 0;
  for (const auto& [problem, is_coarse] : grid) {
    validate(problem);
    coarse += is_coarse;
    const auto& s = problem.shape;
    if (problem.phase == Phase::decode) {
      EXPECT_TRUE(problem.mechanism.is_softmax());
      EXPECT_LE(s.seqlen_q, 16);
      most_keys = std::max(most_keys, static_cast<double>(s.seqlen_kv));
    } else {
      EXPECT_EQ(s.seqlen_q, s.seqlen_kv);
      most_n = std::max(most_n, static_cast<double>(s.seqlen_q));
    }
  }
  EXPECT_EQ(most_keys, 65536);
  EXPECT_EQ(most_n, 16384);
  EXPECT_GT(coarse, 10u);
  EXPECT_LT(coarse, grid.size() / 10);
  // 8 of 64 and 32 of 128, three batches, 15 lengths; mha three groups and 10 lengths of 5 numbers of queries
  // more.
  EXPECT_EQ(grid.size(), 2u * 3 * (3 * (15 + 10 * 5) + 15));
  std::set<MechanismKind> of_mha;
  for (const auto& problem : verification_problems(parse_mechanism("mha"), DType::f32))
    of_mha.insert(problem.mechanism.kind);
  EXPECT_TRUE(of_mha.contains(MechanismKind::mha)) << "a kernel that computes nothing else is never verified";
  EXPECT_TRUE(of_mha.contains(MechanismKind::gqa));
  for (const auto& mechanism : {"mha", "swa(w=64,causal)", "linear"}) {
    for (const auto& problem : verification_problems(parse_mechanism(mechanism), DType::bf16)) {
      validate(problem);
      EXPECT_EQ(kind_of(problem), kind_of(attention_problem(mechanism, 64, DType::bf16)));
    }
  }
}

}  // namespace
}  // namespace attnbench
