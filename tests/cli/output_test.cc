// What a command writes, and what it must not write over.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "support/command.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing_support::TemporaryDirectory;

std::vector<std::string> tiny_run(const std::string& out) {
  return {"run",       "smoke",   "--accept-noise", "--scope", "core",     "--dtype",  "f32",
          "--threads", "1",       "--mechanism",    "linear",  "--kernel", "two_gemm", "--seqlen",
          "32",        "--quiet", "--out",          out};
}

std::string contents(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

TEST(SamplesBesideTheStore, AForeignFileIsLeftAsItIsAndNothingIsMeasured) {
  for (const auto* name : {"a.csv", "a.env.json"}) {
    const TemporaryDirectory directory;
    std::ofstream(directory.file(name)) << "my,precious,data\n";
    const auto result = testing_support::attnbench(tiny_run(directory.file("a.db")));
    EXPECT_EQ(result.exit_code, 2) << result.err;
    EXPECT_THAT(result.err, HasSubstr("out: '" + directory.file("a.db") + "' is a new store"));
    EXPECT_THAT(result.err, HasSubstr(name));
    EXPECT_EQ(contents(directory.file(name)), "my,precious,data\n");
    EXPECT_FALSE(std::filesystem::exists(directory.file("a.db")));
  }
}

TEST(SamplesBesideTheStore, AreWrittenAgainOnResumeUnlessAnotherFileTookTheirPlace) {
  const TemporaryDirectory directory;
  EXPECT_EQ(testing_support::attnbench(tiny_run(directory.file("a.db"))).exit_code, 0);
  const auto samples = contents(directory.file("a.csv"));
  EXPECT_THAT(samples, HasSubstr("linear"));
  EXPECT_EQ(testing_support::attnbench(tiny_run(directory.file("a.db"))).exit_code, 0);
  EXPECT_EQ(contents(directory.file("a.csv")), samples);

  std::ofstream(directory.file("a.csv")) << "my,precious,data\n";
  const auto result = testing_support::attnbench(tiny_run(directory.file("a.db")));
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_THAT(result.err, HasSubstr("does not hold samples of AttnBench"));
  EXPECT_EQ(contents(directory.file("a.csv")), "my,precious,data\n");
}

TEST(SamplesBesideTheStore, StoresOfOtherEndingsKeepTheirOwn) {
  const TemporaryDirectory directory;
  EXPECT_EQ(testing_support::attnbench(tiny_run(directory.file("x.1"))).exit_code, 0);
  EXPECT_EQ(testing_support::attnbench(tiny_run(directory.file("x.2"))).exit_code, 0);
  EXPECT_TRUE(std::filesystem::exists(directory.file("x.1.csv")));
  EXPECT_TRUE(std::filesystem::exists(directory.file("x.2.csv")));
}

TEST(SamplesBesideTheStore, AStoreCannotHaveTheirName) {
  const TemporaryDirectory directory;
  const auto result = testing_support::attnbench(tiny_run(directory.file("a.csv")));
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_THAT(result.err, HasSubstr("names the samples' file"));
  const auto nameless = testing_support::attnbench(tiny_run(""));
  EXPECT_EQ(nameless.exit_code, 2) << nameless.err;
  EXPECT_THAT(nameless.err, HasSubstr("names no file"));
}

TEST(UnknownOption, IsNamedWithTheNearest) {
  const auto result = testing_support::attnbench({"run", "smoke", "--seqlem", "64"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("option: '--seqlem' is not one of run"));
  EXPECT_THAT(result.err, HasSubstr("--seqlen"));
}

TEST(StandardOutput, ThatCannotBeWrittenIsAnError) {
  const auto program = testing_support::program();
  for (const auto* command : {"list", "run smoke --dry-run"}) {
    const int status = std::system((program + " " + command + " > /dev/full 2> /dev/null").c_str());
    EXPECT_EQ(WEXITSTATUS(status), 2) << command;
  }
}

TEST(StudyName, ThatIsAPathIsRefused) {
  const TemporaryDirectory directory;
  std::ofstream(directory.file("evil.toml")) << "name = \"../../evil\"\ndescription = \"x\"\n[[cells]]\n";
  const auto result = testing_support::attnbench({"run", directory.file("evil.toml")});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("name: '../../evil' names a path"));
}

}  // namespace
}  // namespace attnbench
