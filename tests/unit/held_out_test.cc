// Problems to certify on: drawn over the ranges of tuning, or a user's list.
#include "tune/held_out.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "attnbench/error.h"
#include "support/profiles.h"
#include "tune/coverage.h"
#include "tune/grid.h"

namespace attnbench {
namespace {

using test::attention_problem;
using test::measure_in;
using testing::HasSubstr;

TEST(HeldOut, DrawsCoverTheRangesOfTuningAndNoneOfItsPoints) {
  const std::vector<Mechanism> mechanisms = {parse_mechanism("mha"), parse_mechanism("swa(w=64,causal)"),
                                             parse_mechanism("linear")};
  const std::vector<DType> dtypes = {DType::f32, DType::bf16};
  HeldOutDraw draw(mechanisms, dtypes, {1, 3, 5}, 7), same(mechanisms, dtypes, {1, 3, 5}, 7);
  std::vector<Problem> tuned;
  for (const auto& cell : tune_grid(mechanisms, dtypes)) tuned.push_back(cell.problem);
  std::set<int> threads;
  std::set<std::int64_t> groups;
  int decode = 0, softmax = 0, on_grid = 0, powers = 0;
  constexpr int kDraws = 2000;
  for (int i = 0; i < kDraws; ++i) {
    const auto drawn = draw.next();
    EXPECT_EQ(drawn, same.next());
    const auto& [problem, count, weight] = drawn;
    const auto& s = problem.shape;
    EXPECT_NO_THROW(validate(problem));
    EXPECT_EQ(weight, 1);
    EXPECT_TRUE(s.batch >= 1 && s.batch <= 16 && s.num_q_heads >= 1 && s.num_q_heads <= 32);
    EXPECT_TRUE(s.head_dim_qk == 64 || s.head_dim_qk == 128);
    threads.insert(count);
    groups.insert(s.num_q_heads / problem.mechanism.num_kv_heads);
    if (problem.phase == Phase::decode) {
      EXPECT_TRUE(problem.mechanism.is_softmax());
      EXPECT_TRUE(s.seqlen_q >= 1 && s.seqlen_q <= 16 && s.seqlen_kv >= 128 && s.seqlen_kv <= 65536);
    } else {
      EXPECT_TRUE(s.seqlen_q == s.seqlen_kv && s.seqlen_q >= 1 && s.seqlen_q <= 16384);
    }
    softmax += problem.mechanism.is_softmax();
    decode += problem.phase == Phase::decode;
    powers += (s.seqlen_kv & (s.seqlen_kv - 1)) == 0;
    on_grid += std::find(tuned.begin(), tuned.end(), problem) != tuned.end();
  }
  EXPECT_EQ(threads, (std::set<int>{1, 3, 5}));
  EXPECT_EQ(groups, (std::set<std::int64_t>{1, 4, 8}));
  EXPECT_NEAR(static_cast<double>(decode) / softmax, 0.5, 0.05);
  EXPECT_LT(powers, 0.25 * kDraws);  // small lengths are powers of two often
  EXPECT_EQ(on_grid, 0);
}

TEST(HeldOut, EachNumberOfThreadsIsDrawnAsOften) {
  HeldOutDraw draw({parse_mechanism("mha")}, {DType::f32}, {1, 3, 5}, 7);
  std::map<int, int> counts;
  for (int i = 0; i < 60; ++i) ++counts[draw.next().threads];
  EXPECT_EQ(counts, (std::map<int, int>{{1, 20}, {3, 20}, {5, 20}}));
}

/// Times of mha with N = 64 to 4096 in f32, 8 heads of 64, on 2 threads.
CostProfile tuned_profile() {
  CostProfile profile;
  measure_in(profile, "fused@cpu:portable", "mha", 2, [](double n) { return 1e-9 * n; });
  return profile;
}

TEST(HeldOut, WhatWasTimedForTuningIsNotHeldOut) {
  const TunedCoverage coverage(tuned_profile());
  EXPECT_TRUE(coverage.was_timed(attention_problem("mha", 64)));
  EXPECT_FALSE(coverage.was_timed(attention_problem("mha", 65)));
  EXPECT_FALSE(coverage.was_timed(attention_problem("mha", 64, DType::bf16)));
  EXPECT_FALSE(coverage.was_timed(attention_problem("mha(causal)", 64)));
  EXPECT_FALSE(coverage.was_timed(attention_problem("gqa(kv=2)", 64)));
  // The same work by another name, and with another factor.
  EXPECT_TRUE(coverage.was_timed(attention_problem("gqa(kv=8)", 64)));
  auto scaled = attention_problem("mha", 64);
  scaled.shape.softmax_scale = 0.1;
  EXPECT_TRUE(coverage.was_timed(scaled));
}

TEST(HeldOut, WhatTuningDidNotCoverIsNamed) {
  auto profile = tuned_profile();
  measure_in(profile, "fused@cpu:portable", "swa(w=64)", 2, [](double n) { return 1e-9 * n; });
  const TunedCoverage coverage(profile);
  EXPECT_THAT(coverage.threads(), testing::ElementsAre(2));
  EXPECT_EQ(coverage.not_covered(attention_problem("mha", 65), 2), "");
  EXPECT_EQ(coverage.not_covered(attention_problem("mha", 65), 1), "tuning did not cover 1 thread (only 2)");
  EXPECT_EQ(coverage.not_covered(attention_problem("gqa(kv=2)", 65), 2),
            "tuning did not cover 4 query heads for a head of K and V (only 1)");
  EXPECT_THAT(coverage.not_covered(attention_problem("mha", 65, DType::bf16), 2),
              HasSubstr("tuning did not cover mha: mha in bf16"));
  EXPECT_THAT(coverage.not_covered(attention_problem("swa(w=128)", 65), 2),
              HasSubstr("tuning did not cover swa(w=128)"));
  EXPECT_EQ(coverage.not_covered(attention_problem("swa(w=64)", 65), 2), "");
  auto wide = attention_problem("mha", 65);
  wide.shape.head_dim_v = 128;
  EXPECT_EQ(coverage.not_covered(wide, 2), "tuning did not cover a head dimension of 128 (only 64)");
  EXPECT_EQ(coverage.not_covered(parse_mechanism("swa(w=64)"), DType::f32), "");
  EXPECT_THAT(coverage.not_covered(parse_mechanism("swa(w=64)"), DType::f16), HasSubstr("swa in f16"));
}

TEST(HeldOut, ThreadsAreAllThatWereTunedAndSomeBetween) {
  using testing::ElementsAre;
  EXPECT_THAT(held_out_threads({}), testing::IsEmpty());
  EXPECT_THAT(held_out_threads({2}), ElementsAre(2));
  EXPECT_THAT(held_out_threads({2, 3}), ElementsAre(2, 3));
  EXPECT_THAT(held_out_threads({2, 3, 14}), ElementsAre(2, 3, 6, 10, 14));
  EXPECT_THAT(held_out_threads({2, 5, 6, 7, 14}), ElementsAre(2, 5, 6, 7, 10, 14));
}

TEST(Traffic, CsvAndTomlSayTheSame) {
  const auto csv = parse_traffic(
      "mechanism,heads,kv_heads,seqlen,seqlen_q,head_dim,dtype,threads,weight\n"
      "\"swa(w=64,causal)\",32,8,4001,,128,bf16,2,2.5\n"
      "mha,,,900,1,,,,\n",
      "mine.csv", 3);
  const auto toml = parse_traffic(
      "[[shape]]\nmechanism = \"swa(w=64,causal)\"\nheads = 32\nkv_heads = 8\nseqlen = 4001\n"
      "head_dim = 128\ndtype = \"bf16\"\nthreads = 2\nweight = 2.5\n"
      "[[shape]]\nmechanism = \"mha\"\nseqlen = 900\nseqlen_q = 1\n",
      "mine.toml", 3);
  ASSERT_EQ(csv.size(), 2u);
  EXPECT_EQ(csv, toml);
  const auto& first = csv[0];
  EXPECT_EQ(in_words(first), "swa(w=64,causal) in bf16, batch 1, 32/8 heads of 128, 4001 x 4001, 2 threads");
  EXPECT_EQ(first.weight, 2.5);
  EXPECT_EQ(first.problem.phase, Phase::prefill);
  EXPECT_EQ(first.problem.mechanism.num_kv_heads, 8);
  auto second = attention_problem("mha", 900);
  second.shape.seqlen_q = 1;
  second.phase = Phase::decode;
  EXPECT_EQ(csv[1].problem, second);
  EXPECT_EQ(csv[1].threads, 3);
  EXPECT_EQ(csv[1].weight, 1);
}

TEST(Traffic, WhatIsWrongIsNamed) {
  const auto refuse = [](const std::string& file, const std::string& text, const std::string& words) {
    try {
      parse_traffic(text, file, 1);
      ADD_FAILURE() << words;
    } catch (const InputError& error) {
      EXPECT_THAT(error.what(), HasSubstr(words));
    }
  };
  refuse("a.csv", "", "traffic: 'a.csv' holds no shapes");
  refuse("a.csv", "mechanism,seqlen\n", "holds no shapes");
  refuse("a.csv", "mechanism,seqln\nmha,8\n", "a.csv:1: column: 'seqln' is unknown (did you mean 'seqlen'");
  refuse("a.csv", "mechanism,seqlen,seqlen\nmha,8,8\n", "a.csv:1: column: 'seqlen' is there twice");
  refuse("a.csv", "mechanism,seqlen\nmha,8\nmha,0\n", "a.csv:3: seqlen: '0' is not a whole number from 1 to");
  refuse("a.csv", "mechanism,seqlen\nmha,8.5\n", "a.csv:2: seqlen: '8.5'");
  refuse("a.csv", "mechanism,seqlen\nmha,\n", "a.csv:2: seqlen: '' is missing");
  refuse("a.csv", "seqlen\n8\n", "a.csv:2: mechanism: '' is missing");
  refuse("a.csv", "mechanism,seqlen,weight\nmha,8,0\n", "a.csv:2: weight: '0' is not a positive number");
  refuse("a.csv", "mechanism,seqlen,weight\nmha,8,inf\n", "weight: 'inf' is not a positive number");
  refuse("a.csv", "mechanism,seqlen,kv_heads\nmha,8,3\n", "a.csv:2: kv_heads: '3' is not what mha has, 8");
  refuse("a.toml", "[[shape]]\nmechanism = \"mhaa\"\nseqlen = 8\n", "a.toml:1: mechanism: 'mhaa'");
  refuse("a.toml", "[[shape]]\nmechanism = \"mha\"\nseqln = 8\n", "a.toml:3: key: 'seqln' is not known");
  refuse("a.toml", "[[shapes]]\nmechanism = \"mha\"\n", "a.toml:1: key: 'shapes' is not known here");
  refuse("a.toml", "shape = 3\n", "holds no shapes");
  refuse("a.toml", "shape = [3]\n", "shape: '3' is no table");
  refuse("a.toml", "shape = \n", "a.toml:");
}

}  // namespace
}  // namespace attnbench
