// Standard streams that cannot be read or written: full, closed, a pipe or a terminal whose other side is
// gone.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <pty.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <sstream>

#include "store/store.h"
#include "support/command.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing_support::TemporaryDirectory;

/// Runs `command` in bash, in which "$P" is the program, and returns the exit code of its first program.
int exit_code_in_shell(const std::string& command, const TemporaryDirectory& directory) {
  const auto script = directory.file("script");
  std::ofstream(script) << "cd " << directory.path() << "\nP=" << testing_support::program()
                        << "\nCEILINGS=" << testing_support::ceilings_file() << '\n'
                        << command << "\nexit ${PIPESTATUS[0]}\n";
  const int status = std::system(("bash " + script).c_str());
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

constexpr const char* kTinyRun =
    "$P run smoke --accept-noise --scope core --dtype f32 --threads 1 --mechanism linear --kernel two_gemm "
    "--seqlen 32 --ceilings $CEILINGS --out a.db ";

std::string stream_text(const std::string& file) {
  std::ostringstream text;
  text << std::ifstream(file).rdbuf();
  return text.str();
}

/// All three processes of the tiny run are in its store, and its samples beside it.
void expect_all_is_kept(const TemporaryDirectory& directory) {
  const auto store = Store::open(directory.file("a.db"), Store::Mode::read);
  const auto run = store.runs().front().id;
  EXPECT_EQ(store.processes(run, store.cells(run).front().cell_id).size(), 3u);
  EXPECT_THAT(stream_text(directory.file("a.csv")), HasSubstr("two_gemm"));
}

struct Redirected {
  const char* redirection;
  int exit_code;
};

class MeasuredWith : public testing::TestWithParam<Redirected> {};

TEST_P(MeasuredWith, EndsAsDocumentedAndKeepsAll) {
  const TemporaryDirectory directory;
  EXPECT_EQ(exit_code_in_shell(std::string(kTinyRun) + GetParam().redirection, directory),
            GetParam().exit_code);
  expect_all_is_kept(directory);
}

INSTANTIATE_TEST_SUITE_P(Streams, MeasuredWith,
                         testing::Values(Redirected{"> out 2> /dev/full", 0}, Redirected{"> out 2>&-", 0},
                                         Redirected{"2>&1 > out | head -1 > first", 0},
                                         Redirected{"2>&1 | head -1 > first", 2},
                                         Redirected{"> /dev/full 2> err", 2}, Redirected{">&- 2> err", 2},
                                         Redirected{"<&- >&- 2>&-", 2},
                                         Redirected{"> /dev/full 2> /dev/full", 2},
                                         Redirected{"< /dev/null > out 2>&- <&-", 0}),
                         [](const auto& test) { return "case_" + std::to_string(test.index); });

TEST(StandardOutputOfARun, WhereTheResultsAreIsSaidWhenTheyCannotBeShown) {
  const TemporaryDirectory directory;
  EXPECT_EQ(exit_code_in_shell(std::string(kTinyRun) + "--quiet > /dev/full 2> err", directory), 2);
  EXPECT_EQ(stream_text(directory.file("err")),
            "the results cannot be written here; what was measured is kept in a.db and a.csv\n"
            "attnbench: standard output: cannot be written\n");
}

TEST(StandardStreams, BadInputIsTwoWhateverBecomesOfTheMessage) {
  const TemporaryDirectory directory;
  for (const auto* redirection :
       {"2> /dev/full", "2>&-", "2>&1 | true", "> /dev/full 2>&1", "<&- >&- 2>&-"}) {
    for (const auto* command : {"$P run papr ", "$P run smoke --seqlem 3 ", "$P analyze none.db ", "$P rnu "})
      EXPECT_EQ(exit_code_in_shell(std::string(command) + redirection, directory), 2)
          << command << redirection;
  }
}

TEST(StandardStreams, OutputThatCannotBeWrittenIsTwoForEachCommand) {
  const TemporaryDirectory directory;
  ASSERT_EQ(exit_code_in_shell(std::string(kTinyRun) + "> out 2> err", directory), 0);
  for (const auto* redirection : {"> /dev/full 2> err", ">&- 2> err"}) {
    for (const auto* command :
         {"$P list ", "$P --help ", "$P run --help ", "$P --version ", "$P analyze a.db ", "$P export a.db ",
          "$P run smoke --dry-run ", "$P verify --kernel gather --dtype f32 --shapes 1 "}) {
      EXPECT_EQ(exit_code_in_shell(std::string(command) + redirection, directory), 2)
          << command << redirection;
      EXPECT_THAT(stream_text(directory.file("err")), HasSubstr("standard output: cannot be written"))
          << command;
    }
  }
}

// What verifies and times prints too, and must not be ended by it: nobody reads the other side of the pipe.
TEST(StandardStreams, AKernelThatPrintsIsNoWrongKernel) {
  const TemporaryDirectory directory;
  const auto run = std::string(
                       "$P run smoke --accept-noise --scope core --dtype f32 --threads 1 --mechanism mha "
                       "--seqlen 16 --ceilings $CEILINGS --kernel unfused,prints --plugin ") +
                   ATTNBENCH_BAD_KERNELS + " --out a.db ";
  EXPECT_EQ(exit_code_in_shell(run + "2>&1 > out | true", directory), 0);
}

// A descriptor that is closed at the start must not become the store's: what is printed would be written into
// it.
TEST(StandardStreams, NoFileTakesTheirPlace) {
  const TemporaryDirectory directory;
  EXPECT_EQ(exit_code_in_shell(std::string(kTinyRun) + ">&- 2>&- <&-", directory), 2);
  expect_all_is_kept(directory);
  EXPECT_EQ(stream_text(directory.file("a.db")).substr(0, 15), "SQLite format 3");
}

TEST(Terminal, ThatGoesAwayTakesNoMeasurementWithIt) {
  const TemporaryDirectory directory;
  int terminal = -1;
  const pid_t pid = forkpty(&terminal, nullptr, nullptr, nullptr);
  if (pid == 0) {
    execl("/bin/bash", "bash", "-c",
          ("P=" + testing_support::program() + "; CEILINGS=" + testing_support::ceilings_file() + "; cd " +
           directory.path() + "; exec " + kTinyRun)
              .c_str(),
          nullptr);
    _exit(127);
  }
  std::array<char, 16> first{};
  EXPECT_GT(read(terminal, first.data(), first.size()), 0);
  close(terminal);
  int status = 0;
  waitpid(pid, &status, 0);
  ASSERT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 2) << "the results could not be shown";
  expect_all_is_kept(directory);
}

}  // namespace
}  // namespace attnbench
