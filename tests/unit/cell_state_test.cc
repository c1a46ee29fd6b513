#include "run/conductor/cell_state.h"

#include <gtest/gtest.h>

namespace attnbench {
namespace {

/// mha/a@x, planned as the baseline, mha/b@x and mha/c@x, all verified.
CellState three_kernels() {
  CellState state;
  for (const auto* name : {"a", "b", "c"})
    state.record.kernels.push_back({"mha", name, "x", "", 1, "", std::string(name) == "a", 1, ""});
  return state;
}

std::string baseline_of(CellState state) {
  state.choose_baseline();
  return state.baseline() == nullptr ? "" : state.baseline()->id();
}

TEST(CellState, TheBaselineIsRankedWhereAnyKernelIs) {
  auto state = three_kernels();
  EXPECT_EQ(baseline_of(state), "mha/a@x");
  state.unranked["mha/b@x"] = "less exact";
  EXPECT_EQ(baseline_of(state), "mha/a@x");
  state.record.kernels[0].quarantine_reason = "crashed";
  EXPECT_EQ(baseline_of(state), "mha/c@x") << "not b, which is less exact";
  state.record.kernels[2].support_reason = "computes bf16";
  EXPECT_EQ(baseline_of(state), "mha/b@x") << "the alias needs one";
  state.record.kernels[1].quarantine_reason = "crashed";
  EXPECT_EQ(baseline_of(state), "");
}

TEST(CellState, APlannedBaselineThatIsLessExactGivesWay) {
  auto state = three_kernels();
  state.unranked["mha/a@x"] = "less exact";
  EXPECT_EQ(baseline_of(state), "mha/b@x");
  state.unranked["mha/b@x"] = state.unranked["mha/c@x"] = "less exact";
  EXPECT_EQ(baseline_of(state), "mha/a@x");
}

TEST(CellState, TheFirstOfTheBaselinesThatCanBeRankedIsTheBaseline) {
  auto state = three_kernels();
  state.cell.baseline = "mha/a@x";
  state.cell.other_baselines = {"mha/c@x"};
  EXPECT_EQ(baseline_of(state), "mha/a@x");
  state.record.kernels[0].support_reason = "no bf16 products";
  EXPECT_EQ(baseline_of(state), "mha/c@x") << "not b, which comes first in the cell alone";
  state.unranked["mha/c@x"] = "less exact";
  EXPECT_EQ(baseline_of(state), "mha/b@x");
}

}  // namespace
}  // namespace attnbench
