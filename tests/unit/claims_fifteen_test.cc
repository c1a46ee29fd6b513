// Each of the fifteen findings: on data made as printed it HOLDS, on the opposite it is REVERSED, on noise it
// is UNRESOLVED.
#include <gmock/gmock.h>

#include <array>
#include <functional>

#include "plan/random.h"
#include "unit/claims_fixture.h"

namespace attnbench {
namespace {

constexpr std::array<std::int64_t, 4> kLengths{128, 256, 512, 1024};
constexpr int kProcesses = 10;

const std::map<std::string, std::string>& ids() {
  static const std::map<std::string, std::string> all = {
      {"mha", "mha/unfused@cpu"},
      {"gqa", "gqa(kv=4)/unfused@cpu"},
      {"mqa", "mqa/unfused@cpu"},
      {"gather_32", "swa(w=32)/gather@cpu"},
      {"gather_64", "swa(w=64)/gather@cpu"},
      {"gather_128", "swa(w=128)/gather@cpu"},
      {"masked_32", "swa(w=32)/masked@cpu"},
      {"masked_64", "swa(w=64)/masked@cpu"},
      {"masked_128", "swa(w=128)/masked@cpu"},
      {"block_sparse_32", "block_sparse(bs=32,globals=1)/batched@cpu"},
      {"block_sparse_64", "block_sparse(bs=64,globals=1)/batched@cpu"},
      {"linear", "linear/two_gemm@cpu"},
      {"causal_linear", "causal_linear/cumsum@cpu"}};
  return all;
}

/// log seconds by kernel name and N; what is not there is 0.
using Times = std::map<std::pair<std::string, std::int64_t>, double>;

RunAnalysis run_of(const Times& times, double noise, std::uint64_t seed = 1) {
  SplitMix64 random(seed);
  ClaimRun run;
  for (const auto seqlen : kLengths) {
    for (const auto& [name, id] : ids()) {
      const auto at = times.find({name, seqlen});
      std::vector<double> logs(kProcesses, at == times.end() ? 0 : at->second);
      for (auto& log : logs) {
        double sum = -6;  // of twelve uniform numbers: nearly normal, variance 1
        for (int i = 0; i < 12; ++i) sum += static_cast<double>(random.next() >> 11) * 0x1p-53;
        log += noise * sum;
      }
      run.add(id, seqlen, logs);
      const bool shares = name == "gqa" || name == "mqa";
      run.cell(seqlen).kernels.back().work.kv_cache_bytes = name == "gqa" ? 4096. : shares ? 1024. : 8192.;
    }
  }
  return run.run();
}

const Claim& finding(int number) {
  static const auto all = builtin_claims();
  return all.at(static_cast<std::size_t>(number) - 1);
}

Direction direction(int number, const Times& times, double noise = 0.001) {
  return answers_of(finding(number), run_of(times, noise)).at(0).direction;
}

/// A kernel this many times as slow as the others; below 1: faster.
Times slower(const std::string& name, const std::map<std::int64_t, double>& factors) {
  Times times;
  for (const auto& [seqlen, factor] : factors) times[{name, seqlen}] = std::log(factor);
  return times;
}

/// Times that grow with these exponents.
Times growing(const std::map<std::string, double>& exponents) {
  Times times;
  for (const auto& [name, exponent] : exponents) {
    for (const auto seqlen : kLengths)
      times[{name, seqlen}] = exponent * std::log(static_cast<double>(seqlen));
  }
  return times;
}

/// Everybody's time is 1 and one kernel's is 0.7.
Times fastest(const std::map<std::int64_t, std::string>& winners) {
  Times times;
  for (const auto& [seqlen, name] : winners) times[{name, seqlen}] = std::log(0.7);
  return times;
}

TEST(Fifteen, AsPrintedHoldsAndTheOppositeIsReversed) {
  struct Case {
    int number;
    Times printed, opposite;
  };
  const std::vector<Case> cases = {
      {1, slower("gather_64", {{128, 5.7}, {256, 7.3}}),
       slower("gather_64", {{128, 1 / 5.7}, {256, 1 / 7.3}})},
      {2, slower("block_sparse_32", {{1024, 1 / 1.9}}), slower("block_sparse_32", {{1024, 1.9}})},
      {3, slower("block_sparse_64", {{128, 1.09}, {256, 1.1}, {512, 1.06}, {1024, 1.07}}),
       slower("block_sparse_32", {{128, 1.09}, {256, 1.1}, {512, 1.06}, {1024, 1.07}})},
      {4, slower("linear", {{1024, 1 / 1.59}}), slower("linear", {{1024, 1.59}})},
      {5, slower("causal_linear", {{128, 1.63}, {256, 1.75}, {512, 2.96}}),
       slower("causal_linear", {{128, 2.96}, {256, 1.75}, {512, 1.63}})},
      {6, slower("gqa", {{128, 1 / 1.2}}), slower("gqa", {{128, 1.2}})},
      {7, fastest({{128, "gqa"}, {256, "masked_128"}, {512, "mqa"}, {1024, "block_sparse_32"}}),
       fastest({{128, "gqa"}, {256, "gqa"}, {512, "gqa"}, {1024, "gqa"}})},
      {8, slower("mha", {{512, 1.22}, {1024, 1.22 * 2.54}}),
       slower("mha", {{512, 2.54}, {1024, 2.54 * 1.22}})},
      {9, {}, slower("masked_128", {{256, 1.29}})},
      {12, growing({{"mha", 1.73}, {"block_sparse_32", 0.89}, {"linear", 0.76}}),
       growing({{"mha", 0.5}, {"block_sparse_32", 0.89}, {"linear", 0.76}})},
      {13, growing({{"mha", 1.3}, {"block_sparse_32", 0.4}}),
       growing({{"mha", 0.4}, {"block_sparse_32", 1.3}})},
      {14, {}, slower("masked_64", {{256, 1.23}})},
  };
  for (const auto& [number, printed, opposite] : cases) {
    EXPECT_EQ(direction(number, printed), Direction::holds) << number;
    EXPECT_EQ(direction(number, opposite), Direction::reversed) << number;
  }
}

TEST(Fifteen, TheSpreadItself) {
  EXPECT_EQ(direction(10, {}, 0.01), Direction::holds);
  EXPECT_EQ(direction(10, {}, 0.3), Direction::reversed);
  EXPECT_EQ(direction(10, {}, 0.06), Direction::unresolved);
}

TEST(Fifteen, TheHeadlineRange) {
  const auto at = [](double first, double second) {
    return direction(15, slower("gather_64", {{128, first}, {256, second}}));
  };
  EXPECT_EQ(at(5.9, 7.1), Direction::holds);
  EXPECT_EQ(at(8.6, 4.0), Direction::outside);
  EXPECT_EQ(at(5.7098, 7.3021), Direction::outside);  // the publication's own means
  EXPECT_EQ(at(5.9, 8.6), Direction::in_part);
}

TEST(Fifteen, TheKvCacheIsExact) {
  EXPECT_EQ(direction(11, {}, 1), Direction::holds);
  auto run = run_of({}, 1);
  for (auto& kernel : run.groups[0].cells[0].kernels) kernel.work.kv_cache_bytes = 8192.;
  EXPECT_EQ(answers_of(finding(11), run).at(0).direction, Direction::outside);
}

// Equal kernels and a wide spread, all findings in one family. What the spread itself decides is above.
TEST(Fifteen, NoiseIsUnresolved) {
  const std::vector<RunAnalysis> runs{run_of({}, 1.5, 7)};
  for (const auto& [claim, answers] : answer_claims(builtin_claims(), runs)) {
    if (claim.number == 10) continue;
    const auto expected = claim.number == 11 ? Direction::holds : Direction::unresolved;
    EXPECT_EQ(answers.at(0).direction, expected) << claim.number;
    EXPECT_NE(answers.at(0).magnitude, Magnitude::agrees) << claim.number;
  }
}

// The two the tables used to get wrong: the headline decides, whatever the other published values say.
TEST(Fifteen, DetailsThatDifferDoNotTurnTheHeadline) {
  const auto run = run_of(slower("linear", {{128, 0.4}, {256, 0.3}, {512, 0.2}, {1024, 0.1}}), 0.001);
  const auto answer = answers_of(finding(4), run).at(0);
  EXPECT_EQ(answer.direction, Direction::holds);
  EXPECT_EQ(answer.magnitude, Magnitude::larger);
  EXPECT_EQ(answer.details[0].direction, Direction::reversed);
}

}  // namespace
}  // namespace attnbench
