// Plugins by the C interface (attnbench/plugin_c.h, tests/plugins/c_plugin.cc).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "store/store.h"
#include "support/command.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing_support::attnbench;
using testing_support::TemporaryDirectory;

testing_support::CommandResult c_run(const std::string& out, const std::string& kernels,
                                     const std::string& plugin = ATTNBENCH_C_PLUGIN) {
  return attnbench({"run",
                    "smoke",
                    "--accept-noise",
                    "--scope",
                    "core",
                    "--dtype",
                    "f32",
                    "--mechanism",
                    "mha",
                    "--seqlen",
                    "16",
                    "--threads",
                    "1",
                    "--kernel",
                    "unfused@cpu," + kernels,
                    "--plugin",
                    plugin,
                    "--ceilings",
                    testing_support::ceilings_file(),
                    "--out",
                    out});
}

TEST(CPlugin, IsVerifiedAndItsFaultsCostTheirOwnRowsAlone) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto result = c_run(out, "right,crashes,fails,prepares_nothing");
  EXPECT_EQ(result.exit_code, 4) << result.err;
  const auto store = Store::open(out, Store::Mode::read);
  const auto run = store.runs().front().id;
  std::map<std::string, std::string> reasons;
  for (const auto& failure : store.failures(run)) reasons[failure.kernel_id] = failure.reason;
  EXPECT_EQ(reasons.size(), 3u);
  EXPECT_THAT(reasons["mha/crashes@c"], HasSubstr("crashed with SIGSEGV"));
  EXPECT_THAT(reasons["mha/fails@c"], HasSubstr("threw: its call() returned 7"));
  EXPECT_THAT(reasons["mha/prepares_nothing@c"], HasSubstr("threw: its prepare() failed"));
  std::map<std::string, int> samples;
  for (const auto& process : store.processes(run, store.cells(run).front().cell_id)) {
    for (const auto& sample : process.samples) {
      if (sample.role == "kernel") ++samples[sample.kernel_id];
    }
  }
  EXPECT_EQ(samples, (std::map<std::string, int>{{"mha/right@c", 30}, {"mha/unfused@cpu", 30}}));
  const auto verified =
      attnbench({"verify", "--plugin", ATTNBENCH_C_PLUGIN, "--kernel", "right@c", "--shapes", "6"});
  EXPECT_EQ(verified.exit_code, 0) << verified.out << verified.err;
}

TEST(CPlugin, OneThatCannotBeUsedIsNamed) {
  const auto error_of = [](const std::string& plugin) {
    const auto result = attnbench({"list", "--plugin", plugin});
    EXPECT_EQ(result.exit_code, 2);
    return result.err;
  };
  EXPECT_THAT(error_of(ATTNBENCH_C_PLUGIN_OTHER_VERSION),
              HasSubstr("is of version 2 of attnbench/plugin_c.h, this program of 1"));
  EXPECT_THAT(error_of(ATTNBENCH_C_PLUGIN_WITHOUT_LIST), HasSubstr("defines no attnbench_c_plugin_kernels"));
  EXPECT_THAT(error_of(ATTNBENCH_C_PLUGIN_WITHOUT_CALL),
              HasSubstr("has a kernel that lacks a part of attnbench_kernel"));
}

TEST(CPlugin, BuiltAnewIsAnotherOne) {
  const TemporaryDirectory directory;
  const auto plugin = directory.file("libmine.so");
  std::filesystem::copy_file(ATTNBENCH_C_PLUGIN, plugin);
  const auto out = directory.file("s.db");
  ASSERT_EQ(c_run(out, "right", plugin).exit_code % 3, 0);
  std::ofstream(plugin, std::ios::app) << "\n";
  const auto again = c_run(out, "right", plugin);
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_THAT(again.err, HasSubstr("the plugin differs: stored libmine.so "));
}

}  // namespace
}  // namespace attnbench
