#include "plan/budget.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "attnbench/error.h"
#include "plan/find_study.h"

namespace attnbench {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

/// 4 blocks, 3 unbatched calls, warm-up of at most 10 calls or 1 s.
Profile small_profile(std::vector<int> processes) {
  return {.name = "test",
          .processes = std::move(processes),
          .blocks = 4,
          .unbatched_calls = 3,
          .warmup_limit_seconds = 1,
          .warmup_limit_calls = 10};
}

CellCost cell_of(std::vector<KernelCost> kernels, Condition condition = Condition::hot) {
  return {.cell_id = "c", .baseline = "base", .condition = condition, .kernels = std::move(kernels)};
}

TEST(Budget, ProcessSecondsOfASlowKernel) {
  // 0.5 s a call: warm-up stops at 1 s; a slot is one priming and one timed call; 3 unbatched, 1 re-check.
  const auto cell = cell_of({{"k", 0.5, 0.25}});
  EXPECT_DOUBLE_EQ(process_seconds(cell, small_profile({3}), {}), 0.25 + 1 + 4 * 1.0 + 3 * 0.5 + 0.5);
  // Slower than the warm-up limit: one warm-up call all the same.
  EXPECT_DOUBLE_EQ(process_seconds(cell_of({{"k", 2}}), small_profile({3}), {}), 2 + 4 * 4.0 + 3 * 2 + 2);
}

TEST(Budget, ProcessSecondsOfAFastKernel) {
  // 0.1 ms a call: 10 warm-up calls; a slot is two priming calls and a batch of 1 ms.
  const auto cell = cell_of({{"k", 1e-4}});
  EXPECT_NEAR(process_seconds(cell, small_profile({3}), {}), 10 * 1e-4 + 4 * (2e-4 + 1e-3) + 3e-4 + 1e-4,
              1e-12);
}

TEST(Budget, TheBaselineRunsTwiceABlock) {
  const auto profile = small_profile({3});
  const auto once = process_seconds(cell_of({{"k", 0.5}}), profile, {});
  EXPECT_DOUBLE_EQ(process_seconds(cell_of({{"base", 0.5}}), profile, {}), once + 4 * 1.0);
}

TEST(Budget, ColdCallsPayForEvictionAndAreNotBatched) {
  const auto cell = cell_of({{"k", 1e-4}}, Condition::cold);
  EXPECT_NEAR(process_seconds(cell, small_profile({3}), {.eviction_seconds = 0.1}),
              10 * 1e-4 + 4 * (0.1 + 1e-4) + 3 * (0.1 + 1e-4) + 1e-4, 1e-12);
}

TEST(Budget, StudySecondsAddUp) {
  const Overheads overheads{.process_start_seconds = 2, .sentinel_seconds = 0.5, .verification_calls = 6};
  const auto cell = cell_of({{"k", 0.5}, {"base", 0.5}});
  EXPECT_DOUBLE_EQ(verification_seconds(cell, overheads), 2 * (2 + 6 * 0.5));
  const auto profile = small_profile({3, 5});
  const auto process = process_seconds(cell, profile, overheads);
  EXPECT_DOUBLE_EQ(process, process_seconds(cell, profile, {}) + 2 + 4 * 2 * 0.5);
  EXPECT_DOUBLE_EQ(study_seconds({cell, cell}, profile, overheads), 2 * (10 + 5 * process));
}

/// Calls of a second and more, no overheads: a process makes one warm-up call, four slots of two calls, three
/// unbatched calls and one re-check.
constexpr double kPerCall = 1 + 4 * 2 + 3 + 1;

TEST(FitBudget, LowersProcessesOfAllCellsTogether) {
  const std::vector<CellCost> cells = {cell_of({{"k", 1}}), cell_of({{"k", 2}})};
  const auto profile = small_profile({5});
  const double replicate = 3 * kPerCall;
  const auto at = [&](double seconds) { return fit_budget(seconds, cells, profile, {}); };
  EXPECT_EQ(at(5 * replicate).profile.max_processes(), 5);
  EXPECT_EQ(at(5 * replicate - 0.1).profile.max_processes(), 4);
  EXPECT_EQ(at(2 * replicate).profile.max_processes(), 2);
  EXPECT_DOUBLE_EQ(at(3.5 * replicate).seconds, 3 * replicate);
  EXPECT_THAT(at(2 * replicate).too_slow, IsEmpty());
}

TEST(FitBudget, CountsCellsByTheirOwnNumbers) {
  // 1 s a call: warm-up, re-check, and of each block a priming and a timed call; without single calls.
  auto own = cell_of({{"k", 1}});
  own.processes = 6;
  own.blocks = 2;
  const auto profile = small_profile({3});
  EXPECT_DOUBLE_EQ(process_seconds(own, profile, {}), 1 + 2 * 2 + 1);
  const std::vector<CellCost> cells = {own, cell_of({{"k", 1}})};
  EXPECT_DOUBLE_EQ(study_seconds(cells, profile, {}), 6 * 6 + 3 * kPerCall);
  EXPECT_EQ(fit_budget(1000, cells, profile, {}).processes, 6);
  const auto plan = fit_budget(4 * 6 + 3 * kPerCall, cells, profile, {});
  EXPECT_EQ(plan.processes, 4) << "the other cell keeps its three";
  EXPECT_DOUBLE_EQ(plan.seconds, 4 * 6 + 3 * kPerCall);
}

TEST(FitBudget, DropsLooksBeyondTheNumber) {
  const auto plan = fit_budget(17 * kPerCall, {cell_of({{"k", 1}})}, small_profile({10, 15, 20, 30}), {});
  EXPECT_THAT(plan.profile.processes, ElementsAre(10, 15, 17));
}

TEST(FitBudget, LeavesOutTheSlowestCallsWhenTwoProcessesDoNotFit) {
  auto one = cell_of({{"base", 9}, {"slow", 4}, {"fast", 1}});
  auto two = cell_of({{"slow", 4}, {"medium", 2}});
  two.cell_id = "d";
  const double baseline = 9 * (kPerCall + 8);
  const auto plan = fit_budget(2 * (baseline + 3 * kPerCall), {one, two}, small_profile({5}), {});
  EXPECT_EQ(plan.profile.max_processes(), 2);
  EXPECT_THAT(plan.too_slow, ElementsAre(TooSlow{"c", "slow", 2}, TooSlow{"d", "slow", 2}));
  EXPECT_DOUBLE_EQ(plan.seconds, 2 * (baseline + 3 * kPerCall));
}

TEST(FitBudget, ChargesOnlyWhatIsLeft) {
  auto cell = cell_of({{"base", 1}, {"slow", 4}});
  for (auto& kernel : cell.kernels) kernel.prepare_seconds = 1000;
  const double unverified = study_seconds({cell}, small_profile({5}), {});
  cell.verified = true;
  EXPECT_DOUBLE_EQ(unverified, 2000 + study_seconds({cell}, small_profile({5}), {}));
  cell.done_processes = 3;
  const double each = process_seconds(cell, small_profile({5}), {});
  EXPECT_DOUBLE_EQ(study_seconds({cell}, small_profile({5}), {}), 2 * each);
  EXPECT_EQ(fit_budget(2 * each, {cell}, small_profile({5}), {}).profile.max_processes(), 5);
  EXPECT_EQ(fit_budget(1.5 * each, {cell}, small_profile({5}), {}).profile.max_processes(), 4);
  EXPECT_EQ(study_seconds({cell}, small_profile({2}), {}), 0);
}

TEST(FitBudget, LeavesNothingOutOfACellAlreadyBegun) {
  auto begun = cell_of({{"base", 9}, {"slow", 4}, {"fast", 1}});
  begun.done_processes = 2;
  begun.verified = true;
  auto fresh = cell_of({{"slow", 4}, {"medium", 2}});
  fresh.cell_id = "d";
  const auto plan = fit_budget(2 * 2 * kPerCall, {begun, fresh}, small_profile({5}), {});
  EXPECT_THAT(plan.too_slow, ElementsAre(TooSlow{"d", "slow", 2}));
}

TEST(FitBudget, SaysWhenItCannot) {
  const std::vector<CellCost> cells = {cell_of({{"base", 9}, {"k", 1}})};
  const double needed = 2 * (9 * (kPerCall + 8) + kPerCall);  // 404 s
  try {
    fit_budget(60, cells, small_profile({5}), {});
    FAIL();
  } catch (const InputError& error) {
    EXPECT_EQ(needed, 404);
    EXPECT_THAT(error.what(), AllOf(HasSubstr("budget: '60 s' is too short"), HasSubstr("2 processes"),
                                    HasSubstr("404 s")));
  }
}

TEST(Budget, NominalTimeIsTheLongerOfComputingAndMoving) {
  EXPECT_DOUBLE_EQ(nominal_call_seconds(200, 30, 100, 10), 3);
  EXPECT_DOUBLE_EQ(nominal_call_seconds(200, 30, 10, 100), 20);
}

TEST(Budget, TensorBytesByHand) {
  Problem problem;
  problem.shape = {
      .batch = 2, .num_q_heads = 4, .seqlen_q = 3, .seqlen_kv = 5, .head_dim_qk = 8, .head_dim_v = 16};
  problem.mechanism = bind_kv_heads(parse_mechanism("gqa(kv=2)"), 4, 0);
  // q 2x4x3x8, k 2x2x5x8, v 2x2x5x16, o 2x4x3x16, 4 bytes each
  EXPECT_EQ(tensor_bytes(problem), 4 * (192 + 160 + 320 + 384));
  problem.shape.dtype_kv = DType::bf16;
  EXPECT_EQ(tensor_bytes(problem), 4 * (192 + 384) + 2 * (160 + 320));

  Problem layer;
  layer.scope = Scope::layer;
  layer.shape = {.batch = 2,
                 .num_q_heads = 4,
                 .seqlen_q = 3,
                 .seqlen_kv = 3,
                 .head_dim_qk = 8,
                 .head_dim_v = 8,
                 .d_model = 32};
  layer.mechanism = bind_kv_heads(parse_mechanism("mqa"), 4, 0);
  // x and o 2x3x32; wq 32x32, wk and wv 32x8, wo 32x32
  EXPECT_EQ(tensor_bytes(layer), 4 * (2 * 192 + 1024 + 2 * 256 + 1024));
}

TEST(Budget, ACellHoldsTheTensorsOfEachMechanism) {
  // decode study at KV = 512, D = 128, f32: q and o 32x128; K and V 512x128 a kv head, 8 and 1 of them.
  const auto cell = find_study("decode").cells.at(0);
  EXPECT_EQ(memory_bytes(cell), 4 * (2 * (2 * 32 * 128) + (8 + 1) * 2 * 512 * 128));
}

}  // namespace
}  // namespace attnbench
