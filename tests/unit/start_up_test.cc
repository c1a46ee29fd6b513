#include "analysis/start_up.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <vector>

namespace attnbench {
namespace {

using nlohmann::json;

TEST(StartUp, PaysOffWhereTheTotalsMeet) {
  // 10 s more at the start, 2 s less a call: equal after 5 calls.
  EXPECT_EQ(calls_to_pay_off(11, 1, 1, 3), 5);
  // 11 s more: the sixth call is the first to be ahead.
  EXPECT_EQ(calls_to_pay_off(12, 1, 1, 3), 6);
  EXPECT_EQ(calls_to_pay_off(1, 1, 1, 3), 0);
  EXPECT_EQ(calls_to_pay_off(0, 3, 1, 3), 0) << "as fast, and sooner ready";
  EXPECT_EQ(calls_to_pay_off(1, 4, 1, 3), std::nullopt) << "slower";
  EXPECT_EQ(calls_to_pay_off(0, 4, 9, 3), std::nullopt) << "ahead at first, behind for good later";
  EXPECT_EQ(calls_to_pay_off(2, 3, 1, 3), std::nullopt) << "never catches up";
}

TEST(StartUp, IsTheMedianOverProcessesThatTell) {
  std::vector<ProcessRecord> processes(4);
  const double prepare[] = {5, 1, 3};
  for (std::size_t n = 0; n < 3; ++n)
    processes[n].kernels = json{{"k", {{"prepare_seconds", prepare[n]}, {"first_call_seconds", 0.5}}}};
  processes[3].kernels = json{{"other", json::object()}};
  std::vector<const ProcessRecord*> pointers;
  for (const auto& process : processes) pointers.push_back(&process);
  const auto start_up = start_up_of(pointers, "k");
  ASSERT_TRUE(start_up);
  EXPECT_EQ(start_up->prepare_seconds, 3);
  EXPECT_EQ(start_up->first_call_seconds, 0.5);
  EXPECT_FALSE(start_up->bind_seconds) << "stores of before have none";
  EXPECT_EQ(start_up->surplus_seconds(0.25), 3.25);
  EXPECT_FALSE(start_up_of(pointers, "another"));
  (*processes[1].kernels)["k"]["bind_seconds"] = 0.125;
  EXPECT_EQ(start_up_of(pointers, "k")->bind_seconds, 0.125);
}

TEST(StartUp, ComesWithTheBaselineOfTheCell) {
  CellAnalysis cell;
  cell.baseline = "mha/unfused@cpu";
  for (const auto* kernel : {"unfused", "fused"}) {
    KernelAnalysis k;
    k.kernel.mechanism = "mha";
    k.kernel.kernel = kernel;
    k.kernel.engine = "cpu";
    const bool fused = k.kernel.kernel == "fused";
    k.seconds = stats::Interval{fused ? 1.0 : 3.0, 0, 0};
    k.start_up = StartUp{fused ? 11.0 : 1.0, std::nullopt, fused ? 1.0 : 3.0, std::nullopt};
    cell.kernels.push_back(k);
  }
  set_pay_off(cell);
  EXPECT_FALSE(cell.kernels[0].start_up->pays_off_after_calls);
  EXPECT_EQ(cell.kernels[1].start_up->pays_off_after_calls, 5);
}

}  // namespace
}  // namespace attnbench
