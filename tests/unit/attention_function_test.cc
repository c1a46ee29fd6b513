#include "analysis/attention_function.h"

#include <gmock/gmock.h>

#include <cmath>

#include "report/table.h"
#include "report/verdict_table.h"
#include "unit/synthetic_run.h"

namespace attnbench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const KernelRecord kUnfused = SyntheticRun::kernel("mha", "unfused");
const KernelRecord kFused = SyntheticRun::kernel("mha", "fused");
const KernelRecord kCausal = SyntheticRun::kernel("mha(causal)", "fused");
const KernelRecord kWindow = SyntheticRun::kernel("swa(w=64)", "fused");
const KernelRecord kTwoGemm = SyntheticRun::kernel("linear", "two_gemm");
const KernelRecord kCausalLinear = SyntheticRun::kernel("causal_linear", "chunked");

/// One cell with one process, the kernels in the order given.
CellAnalysis cell_of(std::int64_t queries, std::int64_t keys, const std::vector<std::string>& mechanisms,
                     const std::vector<std::int64_t>& lengths = {}) {
  SyntheticRun run;
  std::vector<KernelRecord> kernels;
  for (const auto& mechanism : mechanisms) kernels.push_back(SyntheticRun::kernel(mechanism, "fused"));
  auto& cell = run.add_cell(keys, kernels);
  cell.shape.seqlen_q = queries;
  if (queries == 1) cell.phase = "decode";
  cell.shape.seqlens_kv = lengths;
  cell.shape.batch = std::max<std::int64_t>(1, std::ssize(lengths));
  run.add_process(cell, 0, 1, [](std::size_t, int) { return 1e-3; });
  return analyzed(run).groups[0].cells[0];
}

double share(const CellAnalysis& cell, const std::string& mechanism) {
  return cell.find(mechanism + "/fused@cpu")->keys_share;
}

// Of 4 queries and 4 keys 16 pairs.
TEST(KeysSeen, FourQueriesByHand) {
  const auto cell = cell_of(4, 4,
                            {"mha", "mha(causal)", "swa(w=2)", "swa(w=2,causal)",
                             "block_sparse(bs=2,globals=1)", "linear", "causal_linear"});
  EXPECT_DOUBLE_EQ(share(cell, "mha"), 1);
  EXPECT_DOUBLE_EQ(share(cell, "mha(causal)"), (1 + 2 + 3 + 4) / 16.0);
  EXPECT_DOUBLE_EQ(share(cell, "swa(w=2)"), (2 + 3 + 3 + 2) / 16.0);
  EXPECT_DOUBLE_EQ(share(cell, "swa(w=2,causal)"), (1 + 2 + 2 + 2) / 16.0);
  EXPECT_DOUBLE_EQ(share(cell, "block_sparse(bs=2,globals=1)"), (4 + 2 + 3 + 3) / 16.0);
  EXPECT_DOUBLE_EQ(share(cell, "linear"), 1);
  EXPECT_DOUBLE_EQ(share(cell, "causal_linear"), 10 / 16.0);
  EXPECT_EQ(cell.find("mha/fused@cpu")->function, "all keys");
  EXPECT_EQ(cell.find("swa(w=2)/fused@cpu")->function, "62 % of the keys");
  EXPECT_EQ(cell.find("linear/fused@cpu")->function, "all keys, no softmax");
  EXPECT_EQ(cell.find("causal_linear/fused@cpu")->function, "62 % of the keys, no softmax");
}

// A window of 64 shows 65 keys, fewer at both ends: 65 x 1024 - 32 x 33 of 1024 x 1024 pairs.
TEST(KeysSeen, AWindowAt1024) {
  const auto cell = cell_of(1024, 1024, {"mha", "swa(w=64)"});
  EXPECT_DOUBLE_EQ(share(cell, "swa(w=64)"), 65504 / 1048576.0);
  EXPECT_EQ(cell.find("swa(w=64)/fused@cpu")->function, "6 % of the keys");
}

// One query at position 7 of 8.
TEST(KeysSeen, Decode) {
  const auto cell = cell_of(
      1, 8, {"mha", "mha(causal)", "swa(w=4)", "swa(w=4,causal)", "block_sparse(bs=4,globals=1)", "linear"});
  EXPECT_DOUBLE_EQ(share(cell, "mha(causal)"), 1);
  EXPECT_DOUBLE_EQ(share(cell, "swa(w=4)"), 3 / 8.0);
  EXPECT_DOUBLE_EQ(share(cell, "swa(w=4,causal)"), 4 / 8.0);
  EXPECT_DOUBLE_EQ(share(cell, "block_sparse(bs=4,globals=1)"), 5 / 8.0);
  EXPECT_TRUE(cell.find("mha(causal)/fused@cpu")->drop_in) << "a mask hides nothing from the last position";
}

// Two sequences of 4 queries; of the second's, which has 2 keys, the first two see nothing: 16 + 4 pairs.
TEST(KeysSeen, UnequalLengths) {
  const auto cell = cell_of(4, 4, {"mha", "mha(causal)", "swa(w=2)"}, {4, 2});
  EXPECT_DOUBLE_EQ(share(cell, "mha"), 1);
  EXPECT_DOUBLE_EQ(share(cell, "mha(causal)"), (10 + 3) / 20.0);
  EXPECT_DOUBLE_EQ(share(cell, "swa(w=2)"), (10 + 4) / 20.0);
}

TEST(KeysSeen, InShort) {
  EXPECT_EQ(keys_in_short(1), "all");
  EXPECT_EQ(keys_in_short(0.9999), "> 99 %");
  EXPECT_EQ(keys_in_short(0.0625), "6 %");
  EXPECT_EQ(keys_in_short(0.0039), "0.4 %");
  EXPECT_EQ(keys_in_short(std::vector{0.44, 0.24, 0.12}), "44/24/12 %");
  EXPECT_EQ(keys_in_short(std::vector{1.0, 0.5}), "all/50 %");
  EXPECT_EQ(keys_in_short(std::vector{1.0, 1.0}), "all");
}

TEST(DropIn, IsWhatComputesTheBaselinesFunction) {
  const auto cell =
      cell_of(4, 4, {"mha", "mqa", "mha(causal)", "swa(w=2)", "swa(w=6)", "swa(w=6,causal)", "linear"});
  const auto drop_in = [&](const std::string& m) { return cell.find(m + "/fused@cpu")->drop_in; };
  EXPECT_TRUE(drop_in("mha"));
  EXPECT_TRUE(drop_in("swa(w=6)")) << "3 keys to either side: all four";
  EXPECT_EQ(cell.find("mqa/fused@cpu")->function, "all keys, 1 kv head");
  EXPECT_FALSE(drop_in("mqa")) << "its keys and values are other ones";
  EXPECT_FALSE(drop_in("mha(causal)"));
  EXPECT_FALSE(drop_in("swa(w=6,causal)"));
  EXPECT_FALSE(drop_in("swa(w=2)"));
  EXPECT_FALSE(drop_in("linear"));
}

/// Times in ms of three processes, one line a kernel.
void add_times(SyntheticRun& run, const CellRecord& cell, const std::vector<std::vector<double>>& ms) {
  for (int p = 0; p < 3; ++p)
    run.add_process(cell, p, 1,
                    [&](std::size_t k, int) { return 1e-3 * ms[k][static_cast<std::size_t>(p)]; });
}

TEST(ToDense, RatioAndIntervalByHand) {
  SyntheticRun run;
  add_times(run, run.add_cell(1024, {kUnfused, kFused, kWindow}), {{4, 4, 4}, {2, 2.2, 2}, {1, 1, 1}});
  const auto group = analyzed(run).groups[0];
  EXPECT_EQ(group.dense, "mha/fused@cpu");
  EXPECT_EQ(group.causal_dense, "");
  EXPECT_EQ(group.cells[0].kernels.front().id(), "mha/fused@cpu") << "stands first";
  EXPECT_FALSE(group.cells[0].kernels.front().to_dense);
  // Logarithms log 2, log 2.2, log 2: mean 0.724917, standard error 0.0317701; t = 4.302653 with 2 degrees.
  const auto window = *group.cells[0].find("swa(w=64)/fused@cpu")->to_dense;
  EXPECT_NEAR(window.estimate, std::cbrt(2 * 2.2 * 2), 1e-12);
  EXPECT_NEAR(window.low, std::exp(0.724917 - 4.302653 * 0.0317701), 1e-4);
  EXPECT_NEAR(window.high, std::exp(0.724917 + 4.302653 * 0.0317701), 1e-4);
  EXPECT_NEAR(group.cells[0].find("mha/unfused@cpu")->to_dense->estimate, std::cbrt(2 * 2.2 * 2) / 4, 1e-12);
}

// unfused wins by 2 at N = 128 and loses by 8 at N = 256.
TEST(ToDense, TheDenseKernelIsTheSameAtEachN) {
  SyntheticRun run;
  add_times(run, run.add_cell(128, {kUnfused, kFused, kWindow}), {{1, 1, 1}, {2, 2, 2}, {1, 1, 1}});
  add_times(run, run.add_cell(256, {kUnfused, kFused, kWindow}), {{8, 8, 8}, {1, 1, 1}, {1, 1, 1}});
  const auto group = analyzed(run).groups[0];
  EXPECT_EQ(group.dense, "mha/fused@cpu");
  EXPECT_DOUBLE_EQ(group.cells[0].find("swa(w=64)/fused@cpu")->to_dense->estimate, 2);
  EXPECT_DOUBLE_EQ(group.cells[1].find("swa(w=64)/fused@cpu")->to_dense->estimate, 1);
}

TEST(ToDense, AKernelThatIsMissingAtAnNIsNotTheDenseOne) {
  SyntheticRun run;
  add_times(run, run.add_cell(128, {kUnfused, kFused, kWindow}),
            {{2e3, 2e3, 2e3}, {1e3, 1e3, 1e3}, {1, 1, 1}});
  auto& long_cell = run.add_cell(256, {kUnfused, kFused, kWindow});
  long_cell.kernels[1].support_reason = "too long";
  add_times(run, long_cell, {{8e3, 8e3, 8e3}, {1, 1, 1}, {1, 1, 1}});
  EXPECT_EQ(analyzed(run).groups[0].dense, "mha/unfused@cpu");
}

TEST(ToDense, CausalMechanismsAreSetAgainstCausalSoftmaxAttention) {
  SyntheticRun run;
  add_times(run, run.add_cell(128, {kUnfused, kCausal, kTwoGemm, kCausalLinear}),
            {{4, 4, 4}, {2, 2, 2}, {1, 1, 1}, {1, 1, 1}});
  const auto analysis = analyzed(run);
  const auto& group = analysis.groups[0];
  EXPECT_EQ(group.dense, "mha/unfused@cpu");
  EXPECT_EQ(group.causal_dense, "mha(causal)/fused@cpu");
  EXPECT_DOUBLE_EQ(group.cells[0].find("linear/two_gemm@cpu")->to_dense->estimate, 4);
  EXPECT_DOUBLE_EQ(group.cells[0].find("causal_linear/chunked@cpu")->to_dense->estimate, 2);
  EXPECT_THAT(run_table(analysis),
              HasSubstr("causal mechanisms: time of mha(causal)/fused@cpu / time of the kernel\n"));
}

TEST(ToDense, WithoutACausalSoftmaxKernelTheTableSaysSo) {
  SyntheticRun run;
  add_times(run, run.add_cell(128, {kUnfused, kTwoGemm, kCausalLinear}), {{4, 4, 4}, {1, 1, 1}, {1, 1, 1}});
  const auto analysis = analyzed(run);
  EXPECT_FALSE(analysis.groups[0].cells[0].find("causal_linear/chunked@cpu")->to_dense);
  EXPECT_THAT(run_table(analysis),
              HasSubstr("no causal softmax kernel was measured that causal_linear could be set against\n"));
}

TEST(ToDense, WithoutADenseKernelThereIsNoGain) {
  SyntheticRun run;
  add_times(run, run.add_cell(128, {kWindow, kTwoGemm}), {{4, 4, 4}, {1, 1, 1}});
  const auto analysis = analyzed(run);
  EXPECT_EQ(analysis.groups[0].reference(), "");
  EXPECT_FALSE(analysis.groups[0].cells[0].find("linear/two_gemm@cpu")->to_dense);
  EXPECT_THAT(run_table(analysis), Not(HasSubstr("exact dense")));
}

// log ratios to the baseline 0.2 and 1; exp(0.8) = 2.2255, its interval exp(0.8 +- 2.776445 x 0.001
// sqrt(0.5)).
TEST(ToDense, AdviceTellsADropInFromAnotherFunction) {
  SyntheticRun run;
  run.add_five(run.add_cell(128, {kUnfused, kFused, kWindow}), {0.2, 1}, {0, 0.001});
  const auto analysis = analyzed(run);
  const auto& advice = analysis.groups[0].recommendation;
  EXPECT_EQ(advice[0].mechanism, "");
  EXPECT_THAT(advice[0].sentence,
              HasSubstr("use swa(w=64)/fused@cpu: 2.72 (95 % CI 2.71-2.72) times the speed of the baseline"));
  EXPECT_THAT(
      advice[0].sentence,
      testing::EndsWith(" It computes another function than the baseline: a query sees 44 % of the keys. "
                        "Against the fastest exact dense kernel, mha/fused@cpu: 2.23 (95 % CI 2.22-2.23) "
                        "times its speed."));
  EXPECT_EQ(advice[1].mechanism, "mha");
  EXPECT_THAT(advice[1].sentence, HasSubstr("for mha, use mha/fused@cpu: 1.22"));
  EXPECT_THAT(advice[1].sentence, Not(HasSubstr("another function")));
  EXPECT_THAT(
      verdict_table(analysis),
      HasSubstr("  Same function as the baseline, a drop-in:\n    At N = 128, for mha, use mha/fused@cpu"));
}

// Where the baseline is the dense kernel the ratio is the gain, and nothing is said twice.
TEST(ToDense, TheBaselineCanBeTheDenseKernel) {
  SyntheticRun run;
  run.add_five(run.add_cell(128, {kUnfused, kWindow}), {1}, {0.001});
  const auto analysis = analyzed(run);
  EXPECT_THAT(run_table(analysis),
              HasSubstr("gain over the fastest exact dense kernel, the baseline: it is the ratio\n"));
  EXPECT_THAT(analysis.groups[0].recommendation[0].sentence,
              testing::EndsWith("a query sees 44 % of the keys."));
}

// Keys at N = 128 and 256: 65 N - 32 x 33 of N x N.
TEST(ToDense, TablesNameKeysAndGains) {
  SyntheticRun run;
  for (const std::int64_t n : {128, 256})
    add_times(run, run.add_cell(n, {kUnfused, kFused, kWindow, kTwoGemm}),
              {{4, 4, 4}, {2, 2.2, 2}, {1, 1, 1}, {1, 1, 1}});
  const auto text = run_table(analyzed(run));
  EXPECT_THAT(text, HasSubstr("\nmha/fused                    all      2.0"));
  EXPECT_LT(text.find("mha/fused "), text.find("mha/unfused "));
  EXPECT_THAT(text, HasSubstr("\nswa(w=64)/fused              44/24 %  1.00"));
  EXPECT_THAT(text, HasSubstr("linear/two_gemm, no softmax  all"));
  EXPECT_THAT(text, HasSubstr("\nswa(w=64)/fused              2.06 1.80-2.37  2.06 1.80-2.37\n"));
  EXPECT_THAT(verdict_table(analyzed(run)), HasSubstr("  swa(w=64)/fused@cpu              44/24 %"));
}

}  // namespace
}  // namespace attnbench
