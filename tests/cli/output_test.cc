// What a command writes, and what it must not write over.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "support/command.h"
#include "support/variable.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing_support::TemporaryDirectory;
using testing_support::text_of;

std::vector<std::string> tiny_run(const std::string& out) {
  return {"run",         "smoke",      "--accept-noise",
          "--scope",     "core",       "--dtype",
          "f32",         "--threads",  "1",
          "--mechanism", "linear",     "--kernel",
          "two_gemm",    "--seqlen",   "32",
          "--quiet",     "--ceilings", testing_support::ceilings_file(),
          "--out",       out};
}

TEST(SamplesBesideTheStore, AForeignFileIsLeftAsItIsAndNothingIsMeasured) {
  for (const auto* name : {"a.csv", "a.env.json"}) {
    const TemporaryDirectory directory;
    std::ofstream(directory.file(name)) << "my,precious,data\n";
    const auto result = testing_support::attnbench(tiny_run(directory.file("a.db")));
    EXPECT_EQ(result.exit_code, 2) << result.err;
    EXPECT_THAT(result.err, HasSubstr("out: '" + directory.file("a.db") + "' is a new store"));
    EXPECT_THAT(result.err, HasSubstr(name));
    EXPECT_EQ(text_of(directory.file(name)), "my,precious,data\n");
    EXPECT_FALSE(std::filesystem::exists(directory.file("a.db")));
  }
}

TEST(SamplesBesideTheStore, AreWrittenAgainOnResumeUnlessAnotherFileTookTheirPlace) {
  const TemporaryDirectory directory;
  EXPECT_EQ(testing_support::attnbench(tiny_run(directory.file("a.db"))).exit_code, 0);
  const auto samples = text_of(directory.file("a.csv"));
  EXPECT_THAT(samples, HasSubstr("linear"));
  EXPECT_EQ(testing_support::attnbench(tiny_run(directory.file("a.db"))).exit_code, 0);
  EXPECT_EQ(text_of(directory.file("a.csv")), samples);

  std::ofstream(directory.file("a.csv")) << "my,precious,data\n";
  const auto result = testing_support::attnbench(tiny_run(directory.file("a.db")));
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_THAT(result.err, HasSubstr("does not hold samples of AttnBench"));
  EXPECT_EQ(text_of(directory.file("a.csv")), "my,precious,data\n");
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

const std::string kSamples = std::string(ATTNBENCH_SOURCE_DIR) + "/tests/browser/small.csv";

TEST(Outputs, APipeGetsTheTextAndStays) {
  const TemporaryDirectory directory;
  const auto pipe = directory.file("pipe");
  for (const auto& arguments : std::vector<std::vector<std::string>>{{"analyze", kSamples, "--csv", pipe},
                                                                     {"analyze", kSamples, "--tex", pipe},
                                                                     {"analyze", kSamples, "--out", pipe}}) {
    ASSERT_EQ(mkfifo(pipe.c_str(), 0600), 0);
    std::string arrived;
    std::thread reader([&] { arrived = text_of(pipe); });
    const auto result = testing_support::attnbench(arguments, 60);
    ::close(::open(pipe.c_str(), O_WRONLY | O_NONBLOCK));  // lets the reader go where nothing came
    reader.join();
    EXPECT_EQ(result.exit_code, 0) << result.err;
    EXPECT_THAT(arrived, HasSubstr("mha/unfused@cpu")) << arguments[2];
    EXPECT_EQ(std::filesystem::status(pipe).type(), std::filesystem::file_type::fifo);
    std::filesystem::remove(pipe);
  }
}

TEST(Outputs, TheEnvironmentOfAnInputIsNoOutput) {
  const TemporaryDirectory directory;
  const auto samples = directory.file("v.csv"), environment = directory.file("v.env.json");
  std::filesystem::copy_file(kSamples, samples);
  std::filesystem::copy_file(std::string(ATTNBENCH_SOURCE_DIR) + "/tests/browser/small.env.json",
                             environment);
  const auto before = text_of(environment);
  for (const auto* option : {"--out", "--csv", "--tex"}) {
    const auto result = testing_support::attnbench({"analyze", samples, option, environment});
    EXPECT_EQ(result.exit_code, 2) << option;
    EXPECT_THAT(result.err, HasSubstr("would write over an input's environment")) << option;
  }
  EXPECT_EQ(text_of(environment), before);
}

TEST(Outputs, ALinkAndANeighbourStay) {
  const TemporaryDirectory directory;
  std::ofstream(directory.file("target.csv")) << "stale\n";
  std::ofstream(directory.file("link.csv.part")) << "mine\n";
  std::ofstream(directory.file("target.csv.part")) << "mine too\n";
  std::filesystem::create_symlink("target.csv", directory.file("link.csv"));
  const auto result = testing_support::attnbench({"analyze", kSamples, "--csv", directory.file("link.csv")});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_TRUE(std::filesystem::is_symlink(directory.file("link.csv")));
  EXPECT_THAT(text_of(directory.file("target.csv")), HasSubstr("mha/unfused@cpu"));
  EXPECT_EQ(text_of(directory.file("link.csv.part")), "mine\n");
  EXPECT_EQ(text_of(directory.file("target.csv.part")), "mine too\n");
}

// As /dev/stdout is a link to whatever takes the output.
TEST(Outputs, NothingIsPutBesideAPipe) {
  const TemporaryDirectory directory;
  const auto store = directory.file("a.db"), out = directory.file("out");
  EXPECT_EQ(testing_support::attnbench({"import", kSamples, "--out", store}).exit_code, 0);
  const auto command = testing_support::program() + " export " + store + " --out " + out + " 2>&1 > " + out +
                       " | cat > " + directory.file("err");
  EXPECT_EQ(std::system(command.c_str()), 0);
  EXPECT_THAT(text_of(out), testing::StartsWith("machine,device,"));
  EXPECT_THAT(text_of(directory.file("err")), HasSubstr("the environment is not in this output"));
  EXPECT_FALSE(std::filesystem::exists(directory.file("out.env.json")));

  const auto into_output = testing_support::program() + " import " + kSamples + " --out " + out + " > " +
                           out + " 2> " + directory.file("err");
  EXPECT_EQ(WEXITSTATUS(std::system(into_output.c_str())), 2);
  EXPECT_THAT(text_of(directory.file("err")), HasSubstr("is where this program's output goes"));
}

TEST(Outputs, AnEmptyNameIsNone) {
  for (const auto* option : {"--out", "--csv", "--tex"}) {
    const auto result = testing_support::attnbench({"analyze", kSamples, option, ""});
    EXPECT_EQ(result.exit_code, 2) << option;
    EXPECT_THAT(result.err, HasSubstr("'' names no file"));
  }
}

// A full disk leaves an empty file, or a store without a run.
TEST(ExportOfAStore, GoesIntoAFileThatHoldsNothing) {
  const TemporaryDirectory directory;
  const auto store = directory.file("a.db"), copy = directory.file("copy.db");
  EXPECT_EQ(testing_support::attnbench({"import", kSamples, "--out", store}).exit_code, 0);
  const std::vector<std::string> arguments = {"export", store, "--format", "sqlite", "--out", copy};
  std::ofstream(copy).flush();
  const auto result = testing_support::attnbench(arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_GT(std::filesystem::file_size(copy), 10000u);

  for (const auto& name : {copy, store}) {
    auto again = arguments;
    again.back() = name;
    const auto refused = testing_support::attnbench(again);
    EXPECT_EQ(refused.exit_code, 2);
    EXPECT_THAT(refused.err, HasSubstr("holds runs; a store is never overwritten"));
  }
  std::ofstream(directory.file("notes.txt")) << "my notes\n";
  auto foreign = arguments;
  foreign.back() = directory.file("notes.txt");
  EXPECT_EQ(testing_support::attnbench(foreign).exit_code, 2);
  EXPECT_EQ(text_of(directory.file("notes.txt")), "my notes\n");
}

TEST(ExitCodes, AreInTheHelp) {
  const auto help = testing_support::on_one_line(testing_support::attnbench({"--help"}).out);
  EXPECT_THAT(help, HasSubstr("70 an internal error"));
}

// Not 4, which says that a kernel is wrong.
TEST(ExitCodes, AFaultInsideIsNoVerdictOnAKernel) {
  const testing_support::Variable fault("ATTNBENCH_TEST_THROW", "1");
  const auto result =
      testing_support::attnbench({"run", "smoke", "--dry-run", "--plugin", ATTNBENCH_BAD_KERNELS});
  EXPECT_EQ(result.exit_code, 70) << result.err;
  EXPECT_EQ(result.err, "attnbench: internal error: a broken promise\n");
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
