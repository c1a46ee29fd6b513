#include "analysis/cpu_set.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

namespace attnbench {
namespace {

/// Cells on CPUs 0, 1 (two threads) and 0 (one thread) of a machine with four.
RunContents two_cells() {
  RunContents contents;
  *contents.run.environment = {{"cpu", {{"logical_cpus", 4}, {"allowed_cpus", "0"}}}};
  CellRecord cell;
  cell.threads = 2;
  cell.cpus = {0, 1};
  contents.cells.push_back(cell);
  cell.threads = 1;
  cell.cpus = {0};
  contents.cells.push_back(cell);
  return contents;
}

TEST(CpuSet, AllowedAndUsed) {
  auto contents = two_cells();
  (*contents.run.environment)["workers"]["allowed_cpus"] = "0-2";
  const auto set = cpu_set(contents);
  EXPECT_EQ(set.allowed, "0-2");
  EXPECT_EQ(set.used, (std::map<int, std::string>{{1, "0"}, {2, "0-1"}}));
  EXPECT_EQ(set.command, "taskset -c 0-2");
}

TEST(CpuSet, KindsOfCoresWhereTheMachineNamesThem) {
  auto contents = two_cells();
  EXPECT_TRUE(cpu_set(contents).cores.empty());
  auto& cpu = (*contents.run.environment)["cpu"];
  cpu["core_kinds"] = {{{"name", "Performance"}, {"logical_cpus", 1}},
                       {{"name", "Efficiency"}, {"logical_cpus", 3}}};
  EXPECT_EQ(cpu_set(contents).cores,
            (std::map<int, std::string>{{1, "1 Performance"}, {2, "1 Performance, 1 Efficiency"}}));
  contents.cells[0].cpus = {0, 4};
  EXPECT_EQ(cpu_set(contents).cores, (std::map<int, std::string>{{1, "1 Performance"}}))
      << "no kind has a fifth CPU";
}

TEST(CpuSet, NothingIsPinnedWhereEveryCpuWasAllowed) {
  auto contents = two_cells();
  (*contents.run.environment)["workers"]["allowed_cpus"] = "0-3";
  EXPECT_EQ(cpu_set(contents).command, "");
}

TEST(CpuSet, WhereItIsNotToldThoseInUseReproduceThem) {
  const auto set = cpu_set(two_cells());
  EXPECT_EQ(set.allowed, "");
  EXPECT_EQ(set.command, "taskset -c 0-1");
  EXPECT_EQ(cpu_set({}).command, "");
}

}  // namespace
}  // namespace attnbench
