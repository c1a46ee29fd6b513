#include "analysis/analysis.h"

#include <gmock/gmock.h>

#include <cmath>

#include "unit/synthetic_run.h"

namespace attnbench {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const std::vector<KernelRecord> kFour{
    SyntheticRun::kernel("mha", "unfused"), SyntheticRun::kernel("mqa", "unfused"),
    SyntheticRun::kernel("swa(w=64)", "masked"), SyntheticRun::kernel("linear", "two_gemm")};

/// mqa as fast as the baseline, the window unclear, linear twice as fast.
SyntheticRun one_cell(const std::string& profile = "spec") {
  SyntheticRun run(profile);
  const auto cell = run.add_cell(128, kFour);
  run.add_five(cell, {0, 0, std::log(2)}, {0.001, 0.05, 0.01});
  return run;
}

// Process log-ratios of linear: ln 2 + 0.01 (-2, -1, 0, 1, 2): s = 0.01 sqrt(10/4) = 0.0158114, error
// s / sqrt 5 = 0.00707107, t(4) = 2.776445: ln 2 +- 0.0196324.
TEST(Analyze, RatiosAndVerdictsByHand) {
  const auto run = analyzed(one_cell());
  const auto& cell = run.groups.at(0).cells.at(0);
  const auto& linear = *cell.find("linear/two_gemm@cpu");
  EXPECT_NEAR(linear.ratio->estimate, 2, 1e-12);
  EXPECT_NEAR(linear.ratio->low, 2 * std::exp(-0.0196324), 1e-6);
  EXPECT_NEAR(linear.ratio->high, 2 * std::exp(0.0196324), 1e-6);
  EXPECT_EQ(linear.judgement->verdict, stats::Verdict::kFaster);
  EXPECT_EQ(cell.find("mqa/unfused@cpu")->judgement->verdict, stats::Verdict::kEquivalent);
  EXPECT_EQ(cell.find("swa(w=64)/masked@cpu")->judgement->verdict, stats::Verdict::kUnresolved);
  EXPECT_FALSE(cell.find("mha/unfused@cpu")->judgement) << "the baseline is not compared with itself";
  EXPECT_THAT(cell.best_set, ElementsAre("linear/two_gemm@cpu"));
  EXPECT_EQ(cell.fastest, "linear/two_gemm@cpu");
  EXPECT_EQ(cell.withheld, "");
  // 1, 1, 1, 1, 1 ms against 0.5 ms exp(-0.02 .. 0.02): t = 0.4999 ms / (0.5 ms * 0.00707) = 141, df 4.
  EXPECT_LT(*linear.welch_p, 1e-6);
}

TEST(Analyze, AbsoluteTimesByHand) {
  SyntheticRun run;
  const auto cell = run.add_cell(128, {kFour[0], kFour[3]});
  for (int p = 0; p < 3; ++p) {
    auto& process = run.add_process(cell, p, 2, [&](std::size_t, int) { return (p + 1) * 1e-3; });
    for (int call = 1; call <= 20; ++call)
      process.samples.push_back({-1, call, "unbatched", cell.kernels[1].id(), 1, call * 1e-3, 0, true, ""});
  }
  const auto analysis = analyzed(run);
  const auto& linear = *analysis.groups[0].cells[0].find("linear/two_gemm@cpu");
  // 1, 2, 3 ms: geometric mean 6^(1/3); logs 0, 0.693147, 1.098612: mean 0.597253, s = 0.555548.
  EXPECT_NEAR(linear.seconds->estimate, 1.8171206e-3, 1e-10);
  EXPECT_NEAR(linear.seconds->high, 1.8171206e-3 * std::exp(4.302653 * 0.555548 * std::sqrt(2.0 / 3)), 1e-7);
  EXPECT_FALSE(linear.mean_seconds) << "2 ms lies inside";
  EXPECT_NEAR(linear.median->interval.estimate, 2e-3, 1e-15);
  EXPECT_FALSE(linear.median->interval.is_bounded()) << "six processes are needed";
  EXPECT_NEAR(*linear.mad, 1e-3, 1e-15);
  EXPECT_EQ(*linear.min, 1e-3);
  EXPECT_EQ(*linear.max, 3e-3);
  // All variance is between processes: one process counts as one sample. sqrt(exp(0.555548^2) - 1).
  EXPECT_DOUBLE_EQ(linear.spread->cv_within, 0);
  EXPECT_NEAR(linear.spread->cv_between, 0.601, 1e-3);
  EXPECT_NEAR(linear.spread->icc, 1, 1e-12);
  EXPECT_NEAR(linear.spread->design_effect, 2, 1e-12);
  // Of 1..20 ms: the 19th; s = sqrt(35), mean 10.5.
  EXPECT_EQ(linear.unbatched->p95, 19e-3);
  EXPECT_NEAR(linear.unbatched->cv, std::sqrt(35.0) / 10.5, 1e-12);
  EXPECT_EQ(linear.unbatched->calls, 60);
  EXPECT_FALSE(analysis.groups[0].cells[0].find("mha/unfused@cpu")->unbatched);
}

// Blocks of 1, 1 and 4 ms: their mean is 2 ms, their median 1 ms.
TEST(Analyze, AProcessIsTheMedianOfItsBlocks) {
  SyntheticRun run;
  run.add_process(run.add_cell(128, {kFour[0]}), 0, 3,
                  [](std::size_t, int block) { return block == 2 ? 4e-3 : 1e-3; });
  const auto analysis = analyzed(run);
  const auto& mha = analysis.groups[0].cells[0].kernels[0];
  EXPECT_DOUBLE_EQ(mha.seconds->estimate, 1e-3);
  EXPECT_DOUBLE_EQ(mha.by_process[0].seconds, 1e-3);
  EXPECT_DOUBLE_EQ(mha.by_process[0].mean_seconds, 2e-3);
  EXPECT_EQ(mha.by_process[0].blocks, (std::vector<double>{1e-3, 1e-3, 4e-3}));
  EXPECT_EQ(mha.median->interval.estimate, 1e-3);
  EXPECT_FALSE(mha.seconds->is_bounded()) << "one process says nothing of the spread";
}

// mha, 8 heads, N = 128, D = 64: 2 (64 + 64) 8 128^2 = 33554432 FLOPs; q, k, v, o of 262144 bytes each.
TEST(Analyze, WorkAndShareOfTheCeilings) {
  auto run = one_cell();
  run.contents.run.environment["ceilings"]["2"] = {
      {"threads", 2},
      {"compute",
       {{{"unit", "fma"}, {"path", "avx2"}, {"dtype", "f32"}, {"flops_per_second", 1e11}},
        {{"unit", "tdpbf16ps"}, {"path", "amx"}, {"dtype", "bf16"}, {"flops_per_second", 1e12}}}},
      {"bandwidth",
       {{{"bytes", 65536}, {"read_bytes_per_second", 4e9}, {"copy_bytes_per_second", 3e9}},
        {{"bytes", 268435456}, {"read_bytes_per_second", 1e9}, {"copy_bytes_per_second", 2e9}}}}};
  run.contents.processes[0].kernels["mha/unfused@cpu"]["executed_flops"] = 5e7;
  const auto analysis = analyzed(run);
  const auto& cell = analysis.groups[0].cells[0];
  const auto& work = cell.find("mha/unfused@cpu")->work;
  EXPECT_EQ(work.useful_flops, 33554432);
  EXPECT_EQ(work.compulsory_bytes, 1048576);
  EXPECT_EQ(work.kv_cache_bytes, 524288);
  EXPECT_NEAR(*work.percent_of_compute, 33.554432, 1e-9);
  EXPECT_NEAR(*work.percent_of_compute_executed, 50, 1e-9);
  EXPECT_NEAR(*work.percent_of_bandwidth, 26.2144, 1e-9);
  EXPECT_EQ(cell.find("mqa/unfused@cpu")->work.kv_cache_bytes, 65536) << "one head of eight";
  EXPECT_FALSE(cell.find("linear/two_gemm@cpu")->work.kv_cache_bytes);
  EXPECT_FALSE(cell.find("mqa/unfused@cpu")->work.percent_of_compute_executed);
  ASSERT_EQ(analysis.ceilings.size(), 6U);
  EXPECT_EQ(analysis.ceilings[1].operation, "tdpbf16ps");
}

TEST(Analyze, NoVerdictsFromTooFewProcesses) {
  auto run = one_cell();
  run.contents.processes.pop_back();
  const auto analysis = analyzed(run);
  const auto& cell = analysis.groups[0].cells[0];
  EXPECT_EQ(cell.withheld, "too few processes: 4, verdicts need 5");
  EXPECT_FALSE(cell.find("linear/two_gemm@cpu")->judgement);
  EXPECT_THAT(cell.best_set, IsEmpty());
  EXPECT_EQ(cell.fastest, "linear/two_gemm@cpu");
  EXPECT_THAT(analysis.groups[0].recommendation[0].sentence, HasSubstr("the fastest measured is linear"));
}

// A block of 5 s in one process of one kernel: the mean of process means is 0.5 ms + 5 s / 10, which is shown
// beside a time and a ratio that it does not move.
TEST(Analyze, OneDisturbedBlockMovesTheMeanAlone) {
  SyntheticRun run;
  const auto cell = run.add_cell(128, {kFour[0], kFour[3]});
  for (int p = 0; p < 5; ++p) {
    run.add_process(cell, p, 5, [&](std::size_t k, int block) {
      if (k == 1 && p == 3 && block == 2) return 5.0;
      return (k == 0 ? 1e-3 : 0.5e-3) * (1 + 0.01 * (p - 2));
    });
  }
  const auto analysis = analyzed(run);
  const auto& cell_result = analysis.groups[0].cells[0];
  const auto& linear = *cell_result.find("linear/two_gemm@cpu");
  EXPECT_NEAR(linear.ratio->estimate, 2, 1e-12);
  EXPECT_NEAR(linear.seconds->estimate, 0.5e-3, 1e-7);
  ASSERT_TRUE(linear.mean_seconds);
  EXPECT_NEAR(*linear.mean_seconds, 0.5e-3 + (5 - 0.505e-3) / 25, 1e-6);
  EXPECT_FALSE(cell_result.find("mha/unfused@cpu")->mean_seconds);
}

// Twelve processes; the window is missing in six of them, and one block of linear in one.
TEST(Analyze, AKernelMissingInSomeProcessesGetsNoVerdict) {
  SyntheticRun run;
  const auto cell = run.add_cell(128, kFour);
  for (int p = 0; p < 12; ++p) {
    auto& process = run.add_process(cell, p, 2, [&](std::size_t k, int) {
      return 1e-3 / (1 + static_cast<double>(k)) * (1 + 0.001 * p);
    });
    std::erase_if(process.samples, [&](const auto& sample) {
      return (sample.kernel_id == "swa(w=64)/masked@cpu" && p % 2 == 0) ||
             (sample.kernel_id == "linear/two_gemm@cpu" && p == 4 && sample.block == 1);
    });
  }
  const auto analysis = analyzed(run);
  const auto& judged = analysis.groups[0].cells[0];
  EXPECT_EQ(judged.find("swa(w=64)/masked@cpu")->partial, "in 6 of 12 processes");
  EXPECT_EQ(judged.find("linear/two_gemm@cpu")->partial, "in 11 of 12 processes");
  EXPECT_FALSE(judged.find("swa(w=64)/masked@cpu")->judgement);
  EXPECT_FALSE(judged.find("linear/two_gemm@cpu")->judgement);
  EXPECT_EQ(judged.find("mqa/unfused@cpu")->partial, "");
  EXPECT_EQ(judged.find("mqa/unfused@cpu")->judgement->verdict, stats::Verdict::kFaster);
  EXPECT_EQ(judged.fastest, "mqa/unfused@cpu") << "who is not in all processes is not ranked";
  EXPECT_THAT(judged.best_set, ElementsAre("mqa/unfused@cpu"));
}

TEST(Analyze, ABaselineMissingInSomeProcessesWithholdsTheCell) {
  auto run = one_cell();
  std::erase_if(run.contents.processes[2].samples,
                [](const auto& sample) { return sample.kernel_id == "mha/unfused@cpu"; });
  const auto analysis = analyzed(run);
  EXPECT_EQ(analysis.groups[0].cells[0].withheld, "the baseline is in 4 of 5 processes");
}

TEST(Analyze, TiesAreNamed) {
  SyntheticRun run;
  const auto cell = run.add_cell(128, kFour);
  run.add_five(cell, {0, 0.7, 0.69}, {0.01, 0.05, 0.01});
  const auto analysis = analyzed(run);
  EXPECT_THAT(analysis.groups[0].cells[0].best_set,
              ElementsAre("swa(w=64)/masked@cpu", "linear/two_gemm@cpu"));
  EXPECT_THAT(analysis.groups[0].recommendation[0].sentence,
              HasSubstr("none of swa(w=64)/masked@cpu, linear/two_gemm@cpu is shown to be the fastest"));
}

TEST(Analyze, TheGateJudgesPublishAlone) {
  for (const auto* profile : {"spec", "publish"}) {
    SyntheticRun run(profile);
    const auto cell = run.add_cell(128, kFour);
    for (int p = 0; p < 5; ++p) {
      // 1.05 with hardly any spread.
      run.add_process(
          cell, p, 2, [](std::size_t k, int) { return k == 3 ? 5e-4 : 1e-3; }, 1 / (1.05 + 0.0001 * p));
    }
    const auto analysis = analyzed(run);
    const auto& judged = analysis.groups[0].cells[0];
    EXPECT_TRUE(judged.aa->fails_gate);
    EXPECT_FALSE(judged.aa->equivalent);
    if (std::string(profile) == "publish") {
      EXPECT_EQ(analysis.publishable, false);
      ASSERT_EQ(analysis.marks.size(), 1U);
      EXPECT_EQ(analysis.marks[0],
                "core f32, N = 128: the baseline against itself gives 1.05, 95 % CI 1.05-1.05");
      EXPECT_EQ(judged.withheld, "too noisy to publish");
      EXPECT_FALSE(judged.find("linear/two_gemm@cpu")->judgement);
    } else {
      EXPECT_FALSE(analysis.publishable.has_value());
      EXPECT_EQ(judged.withheld, "");
      EXPECT_EQ(judged.find("linear/two_gemm@cpu")->judgement->verdict, stats::Verdict::kFaster);
    }
  }
}

TEST(Analyze, RejectedProcessesCountAgainstPublishing) {
  auto run = one_cell("publish");
  EXPECT_EQ(analyzed(run).publishable, true);
  const auto& cell = run.contents.cells[0];
  for (const auto* reason : {"steal 3.1 %", "steal 4 %", "interrupted"}) {
    auto& process = run.add_process(cell, static_cast<int>(run.contents.processes.size()), 2,
                                    [](std::size_t, int) { return 1.0; });
    process.valid = false;
    process.reason = reason;
  }
  const auto analysis = analyzed(run);
  EXPECT_EQ(analysis.noise.processes, 7) << "an interrupted process is no try";
  EXPECT_EQ(analysis.noise.rejected, 2);
  ASSERT_EQ(analysis.noise.reasons.size(), 2U);
  EXPECT_EQ(analysis.noise.reasons[1].reason, "steal 3.1 %");
  EXPECT_EQ(analysis.noise.reasons[1].count, 2);
  EXPECT_EQ(analysis.publishable, false);
  EXPECT_THAT(analysis.marks, ElementsAre("2 of 7 processes rejected for noise, more than 20 %"));
  EXPECT_NEAR(analysis.groups[0].cells[0].find("mha/unfused@cpu")->seconds->estimate, 1e-3, 1e-15);
}

TEST(Analyze, AnImpossibleKernelIsShownAndNeverRanked) {
  auto run = one_cell();
  for (auto& sample : run.contents.processes[2].samples) {
    if (sample.kernel_id != "linear/two_gemm@cpu") continue;
    sample.valid = false;
    sample.reason = "IMPOSSIBLE: 1.3 x the ceiling";
  }
  const auto analysis = analyzed(run);
  const auto& cell = analysis.groups[0].cells[0];
  EXPECT_EQ(cell.find("linear/two_gemm@cpu")->status, "impossible");
  EXPECT_EQ(cell.find("linear/two_gemm@cpu")->reason, "1.3 x the ceiling");
  EXPECT_FALSE(cell.find("linear/two_gemm@cpu")->ratio);
  EXPECT_THAT(cell.best_set, testing::Not(testing::Contains("linear/two_gemm@cpu")));
}

// Times 1 and 4 ms at N = 128 and 256: exponent 2. Linear crosses from half to twice the speed: at
// sqrt(128 256) = 181.02.
TEST(Analyze, GrowthWithN) {
  SyntheticRun run;
  const std::vector<KernelRecord> kernels{kFour[0], kFour[3]};
  run.add_five(run.add_cell(128, kernels), {-std::log(2)}, {0.01});
  run.add_five(run.add_cell(256, kernels), {std::log(2)}, {0.01}, 4);
  const auto analysis = analyzed(run);
  ASSERT_EQ(analysis.groups.size(), 1U);
  const auto& group = analysis.groups[0];
  EXPECT_EQ(group.id, "core-prefill-hot-f32-bhsd-b1-h8-d64-t2");
  const auto& mha = *group.find_series("mha/unfused@cpu");
  EXPECT_NEAR(mha.power_law.exponent.estimate, 2, 1e-12);
  EXPECT_EQ(mha.theory, 2);
  EXPECT_NEAR(mha.steps.at(0).ratio.estimate, 4, 1e-12);
  EXPECT_FALSE(mha.crossover);
  const auto& linear = *group.find_series("linear/two_gemm@cpu");
  EXPECT_EQ(linear.theory, 1);
  EXPECT_NEAR(linear.power_law.exponent.estimate, 0, 1e-12) << "2 ms at both";
  ASSERT_EQ(linear.crossover->estimates.size(), 1U);
  EXPECT_NEAR(linear.crossover->estimates[0], 181.0193, 1e-3);
  ASSERT_EQ(linear.crossover->ranges->size(), 1U);
  EXPECT_FALSE(linear.crossover->ranges->at(0).open_low);
}

TEST(Analyze, WhatALayerGains) {
  SyntheticRun run;
  const std::vector<KernelRecord> kernels{kFour[0], kFour[1]};
  const auto core = run.add_cell(128, kernels);
  run.add_five(core, {-0.1}, {0.001});
  const auto layer = run.add_cell(128, kernels, "layer");
  run.add_five(layer, {0.1}, {0.001}, 4);
  const auto analysis = analyzed(run);
  ASSERT_EQ(analysis.groups.size(), 2U);
  ASSERT_EQ(analysis.layer_effect.size(), 2U);
  EXPECT_DOUBLE_EQ(analysis.layer_effect[0].share.estimate, 0.25);
  EXPECT_FALSE(analysis.layer_effect[0].differs) << "the baseline has no verdict";
  const auto& mqa = analysis.layer_effect[1];
  EXPECT_EQ(mqa.core_verdict, stats::Verdict::kSlower);
  EXPECT_EQ(mqa.layer_verdict, stats::Verdict::kFaster);
  EXPECT_EQ(mqa.differs, true);
}

TEST(Analyze, RunsOfOneMachineStaySeparate) {
  const std::vector<RunContents> runs{one_cell().contents, one_cell().contents};
  const auto analysis = analyze(runs);
  ASSERT_EQ(analysis.runs.size(), 2U);
  EXPECT_EQ(analysis.runs[0].machine, "Test 01234567");
  EXPECT_EQ(analysis.runs[1].machine, "Test 01234567 (2)");
  EXPECT_EQ(analysis.runs[1].id, "r1");
  EXPECT_EQ(analysis.runs[1].groups[0].cells[0].valid_processes, 5);
}

TEST(Analyze, LabelsAreShortAndTellKernelsApart) {
  auto fused = SyntheticRun::kernel("mqa", "fused");
  auto fast = fused;
  fused.path = "portable";
  fast.path = "avx512";
  SyntheticRun run;
  const auto cell = run.add_cell(
      128, {kFour[0], fused, fast, SyntheticRun::kernel("block_sparse(bs=32,globals=1)", "batched")});
  run.add_five(cell, {0, 0, 0}, {0.01, 0.01, 0.01});
  std::vector<std::string> labels;
  const auto analysis = analyzed(run);
  for (const auto& kernel : analysis.groups[0].cells[0].kernels) labels.push_back(kernel.label);
  EXPECT_THAT(labels, ElementsAre("mha unfused", "mqa fused portable", "mqa fused avx512",
                                  "block_sparse(bs=32) batched"));
}

}  // namespace
}  // namespace attnbench
