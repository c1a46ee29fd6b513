#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>

#include "support/command.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing_support::TemporaryDirectory;

std::vector<std::string> verify_with(std::vector<std::string> more) {
  more.insert(more.begin(), {"verify", "--shapes", "1", "--dtype", "f32"});
  return more;
}

TEST(Verify, StartsAProcessForEachKernelThroughALauncher) {
  const TemporaryDirectory directory;
  const auto launcher = directory.file("launch");
  std::ofstream(launcher) << "#!/bin/sh\necho >> " << directory.file("count") << "\nexec \"$@\"\n";
  std::filesystem::permissions(launcher, std::filesystem::perms::owner_all);
  const auto result = testing_support::attnbench(
      verify_with({"--kernel", "unfused@cpu,gather@cpu", "--launcher", launcher, "--json"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto verdicts = nlohmann::json::parse(result.out);
  ASSERT_EQ(verdicts.size(), 2u);
  for (const auto& verdict : verdicts) EXPECT_GT(verdict.at("passed"), 0);
  std::ifstream count(directory.file("count"));
  EXPECT_EQ(std::count(std::istreambuf_iterator<char>(count), {}, '\n'), 2);
}

TEST(Verify, ALauncherThatStartsNoWorkerIsNamed) {
  const std::pair<const char*, const char*> launchers[] = {
      {"no-such-launcher", "launcher: 'no-such-launcher' cannot be started: No such file or directory"},
      {"false", "of one kernel exited with code 1 before it was asked"},
      {"echo", "of one kernel printed what no worker says"}};
  for (const auto& [launcher, problem] : launchers) {
    const auto result =
        testing_support::attnbench(verify_with({"--kernel", "unfused", "--launcher", launcher}));
    EXPECT_EQ(result.exit_code, 2) << launcher;
    EXPECT_THAT(result.err, HasSubstr(problem));
  }
}

TEST(Verify, AKernelThatFailsCostsOnlyItsOwnRow) {
  const auto known =
      testing_support::attnbench(verify_with({"--mechanism", "mha", "--kernel", "good,crashes,nan,prints",
                                              "--plugin", ATTNBENCH_BAD_KERNELS, "--json"}));
  EXPECT_EQ(known.exit_code, 4) << known.err;
  const auto verdicts = nlohmann::json::parse(known.out);  // nothing that a kernel prints is in it
  ASSERT_EQ(verdicts.size(), 4u);
  for (const auto& verdict : verdicts) {
    const auto kernel = verdict.at("kernel").get<std::string>();
    const auto& failures = verdict.at("failures");
    if (kernel == "crashes@test") {
      EXPECT_EQ(failures.at(0).at("reason"), "crashed with SIGSEGV");
    } else if (kernel == "nan@test") {
      EXPECT_THAT(failures.at(0).at("reason"), HasSubstr("is nan"));
    } else {
      EXPECT_TRUE(failures.empty()) << kernel;
    }
  }
}

}  // namespace
}  // namespace attnbench
