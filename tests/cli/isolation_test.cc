#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>

#include "store/store.h"
#include "support/command.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing_support::TemporaryDirectory;

/// One small cell with the plugin's kernels whose names are given, and the built-in baseline.
testing_support::CommandResult run_with(const std::string& bad_kernels, const std::string& out,
                                        const std::string& timeout = "4",
                                        const std::string& launcher = "env") {
  return testing_support::attnbench(testing_support::small_run(
      out, {"--mechanism", "mha", "--seqlen", "16", "--kernel", bad_kernels, "--plugin",
            ATTNBENCH_BAD_KERNELS, "--kernel-timeout", timeout, "--launcher", launcher}));
}

std::map<std::string, std::string> reasons(const std::string& out) {
  const auto store = Store::open(out, Store::Mode::read);
  std::map<std::string, std::string> by_kernel;
  for (const auto& failure : store.failures(store.runs().front().id)) {
    by_kernel[failure.kernel_id] = failure.stage + ": " + failure.reason;
  }
  return by_kernel;
}

/// Valid kernel samples of the store's valid processes, by kernel id.
std::map<std::string, int> valid_samples(const std::string& out) {
  const auto store = Store::open(out, Store::Mode::read);
  const auto run = store.runs().front().id;
  std::map<std::string, int> count;
  for (const auto& cell : store.cells(run)) {
    for (const auto& process : store.processes(run, cell.cell_id)) {
      for (const auto& sample : process.samples) {
        if (process.valid && sample.valid && sample.role == "kernel") ++count[sample.kernel_id];
      }
    }
  }
  return count;
}

constexpr int kQuickSamples = 3 * 10;

class BrokenInVerification : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(BrokenInVerification, CostsOnlyItsOwnRow) {
  const auto [kernel, reason] = GetParam();
  const TemporaryDirectory directory;
  const auto result = run_with(std::string("unfused,good,") + kernel, directory.file("s.db"));
  EXPECT_EQ(result.exit_code, 4) << result.err;
  const auto id = std::string("mha/") + kernel + "@test";
  const auto found = reasons(directory.file("s.db"));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_THAT(found.at(id), HasSubstr(reason));
  EXPECT_THAT(result.out, HasSubstr(id));
  const auto samples = valid_samples(directory.file("s.db"));
  EXPECT_EQ(samples.count(id), 0u);
  EXPECT_EQ(samples.at("mha/good@test"), kQuickSamples);
  EXPECT_EQ(samples.at("mha/unfused@cpu"), kQuickSamples);
}

INSTANTIATE_TEST_SUITE_P(Kernels, BrokenInVerification,
                         testing::Values(std::pair("crashes", "SIGSEGV"), std::pair("hangs", "within"),
                                         std::pair("nan", "is nan"), std::pair("hog", "memory")),
                         [](const auto& test) { return test.param.first; });

class BrokenWhileTimed : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(BrokenWhileTimed, IsQuarantinedAndTheCellMeasuredWithoutIt) {
  const auto [kernel, reason] = GetParam();
  const TemporaryDirectory directory;
  const auto result = run_with(std::string("unfused,good,") + kernel, directory.file("s.db"));
  EXPECT_EQ(result.exit_code, 4) << result.err;
  const auto id = std::string("mha/") + kernel + "@test";
  const auto found = reasons(directory.file("s.db"));
  ASSERT_EQ(found.size(), 1u);
  EXPECT_THAT(found.at(id), HasSubstr(reason));
  const auto samples = valid_samples(directory.file("s.db"));
  EXPECT_EQ(samples.count(id), 0u);
  EXPECT_EQ(samples.at("mha/good@test"), kQuickSamples);
  // What was measured with it is kept, marked.
  const auto store = Store::open(directory.file("s.db"), Store::Mode::read);
  const auto run = store.runs().front().id;
  const auto processes = store.processes(run, store.cells(run).front().cell_id);
  EXPECT_FALSE(processes.front().valid);
  EXPECT_THAT(processes.front().reason, HasSubstr(id));
}

INSTANTIATE_TEST_SUITE_P(Kernels, BrokenWhileTimed,
                         testing::Values(std::pair("crashes_timed", "signal 11"),
                                         std::pair("ended_timed", "signal 9"),
                                         std::pair("hangs_timed", "gave no result within"),
                                         std::pair("wrong_timed", "recheck"),
                                         std::pair("stops_timed", "recheck")),
                         [](const auto& test) { return test.param.first; });

class EndedFromOutside : public testing::TestWithParam<bool> {};

TEST_P(EndedFromOutside, OnceCostsOneProcessAndBlamesNoKernel) {
  const TemporaryDirectory directory;
  setenv("ATTNBENCH_TEST_MARK", directory.file("mark").c_str(), 1);
  const auto launcher = directory.file("launch");  // ends as ssh does when its connection drops
  std::ofstream(launcher) << "#!/bin/sh\n\"$@\" || exit 255\n";
  std::filesystem::permissions(launcher, std::filesystem::perms::owner_all);
  const auto result =
      run_with("unfused,ended_once", directory.file("s.db"), "4", GetParam() ? launcher : "env");
  unsetenv("ATTNBENCH_TEST_MARK");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(std::filesystem::exists(directory.file("mark"))) << "no worker was ended";
  EXPECT_TRUE(reasons(directory.file("s.db")).empty());
  EXPECT_EQ(valid_samples(directory.file("s.db")).at("mha/ended_once@test"), kQuickSamples);
  const auto store = Store::open(directory.file("s.db"), Store::Mode::read);
  const auto run = store.runs().front().id;
  const auto processes = store.processes(run, store.cells(run).front().cell_id);
  ASSERT_EQ(processes.size(), 4u);
  EXPECT_THAT(processes.front().reason, HasSubstr("mha/ended_once@test the worker"));
}

INSTANTIATE_TEST_SUITE_P(Ends, EndedFromOutside, testing::Bool(),
                         [](const auto& test) { return test.param ? "code_255" : "signal_9"; });

}  // namespace
}  // namespace attnbench
