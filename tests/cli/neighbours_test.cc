// A busy machine, made by a launcher that rewrites the noise figures in a worker's answers.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string_view>

#include "store/store.h"
#include "support/command.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing_support::TemporaryDirectory;

/// The machine is quiet to the workers whose number, from 1, the shell's test `quiet` of $n holds for; to the
/// others tasks seem to wait for a CPU in 40 % of the time, for others' work.
std::string write_launcher(const TemporaryDirectory& directory, const std::string& quiet) {
  const auto script = directory.file("launch");
  std::ofstream(script)
      << "#!/bin/bash\nn=$(($(cat " << directory.file("count") << " 2> /dev/null) + 1))\necho $n > "
      << directory.file("count") << "\nif [ " << quiet
      << " ]; then pressure=0; else pressure=0.4; fi\n\"$@\" | sed -u -E "
         "'s/(\"pressure_share\":)[^,}]*/\\1'$pressure'/; "
         "s/(\"others_cpu_seconds\":)[^,}]*/\\11000/; "
         "s/(\"(steal_share|steal_seconds|throttled_periods|sentinel_drift)\":)[^,}]*/\\10/g'\n";
  std::filesystem::permissions(script, std::filesystem::perms::owner_all);
  return script;
}

std::vector<std::string> run_on(const std::string& launcher, const std::string& out,
                                const std::vector<std::string>& more = {}) {
  std::vector<std::string> words = {
      "run",       "smoke", "--scope",     "core",   "--dtype",    "f32",
      "--threads", "1",     "--mechanism", "linear", "--kernel",   "two_gemm",
      "--seqlen",  "16,32", "--launcher",  launcher, "--ceilings", testing_support::ceilings_file(),
      "--out",     out};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

int count(const std::string& text, const std::string& part) {
  int found = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++found;
  return found;
}

std::vector<bool> validity(const std::string& out) {
  const auto store = Store::open(out, Store::Mode::read);
  const auto run = store.runs().front().id;
  std::vector<bool> valid;
  for (const auto& cell : store.cells(run)) {
    for (const auto& process : store.processes(run, cell.cell_id)) valid.push_back(process.valid);
  }
  return valid;
}

TEST(BusyMachine, IsMetWithAdviceAndEndsTheRunThatItSpoils) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto result = testing_support::attnbench(run_on(write_launcher(directory, "1 = 0"), out));
  EXPECT_EQ(result.exit_code, 3) << result.err;
  EXPECT_EQ(count(result.err, "the machine is disturbed"), 1);
  EXPECT_THAT(result.err,
              HasSubstr("some task waited for a CPU in 40.0 % of the time (limit 5 %): stop other work"));
  EXPECT_THAT(result.err, HasSubstr("--wait-quiet 10m"));
  EXPECT_LT(result.err.find("process 0 rejected"), result.err.find("the machine is disturbed"));
  EXPECT_THAT(result.err, HasSubstr("each of the first 5 processes was rejected: stopped"));
  EXPECT_THAT(result.err, HasSubstr("To go on:\n"));
  EXPECT_THAT(result.err, Not(HasSubstr("nothing was measured")));
  EXPECT_EQ(validity(out), std::vector<bool>(5, false)) << "all are kept";

  // The same command, on a machine that is quiet by now.
  const auto resumed = testing_support::attnbench(run_on(write_launcher(directory, "1 = 1"), out));
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_THAT(resumed.err, Not(HasSubstr("disturbed")));
  const auto valid = validity(out);
  EXPECT_EQ(std::count(valid.begin(), valid.end(), true), 6);
  EXPECT_EQ(std::count(valid.begin(), valid.end(), false), 5);
}

// Worker 1 probes, 2 and 3 verify, 4 is the first process.
TEST(BusyMachine, OneAcceptedProcessLetsTheRunGoOn) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto result = testing_support::attnbench(run_on(write_launcher(directory, "$n -le 4"), out));
  EXPECT_EQ(result.exit_code, 3) << result.err;
  EXPECT_THAT(result.err, Not(HasSubstr("stopped")));
  EXPECT_EQ(count(result.err, "the machine is disturbed"), 1);
  EXPECT_EQ(validity(out).size(), 8u) << "two cells with four tries each";
}

// Looked at once while it is disturbed (worker 4), quiet from the second look on.
TEST(WaitQuiet, MeasuresOnceTheMachineIsQuiet) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto result =
      testing_support::attnbench(run_on(write_launcher(directory, "$n -gt 4"), out, {"--wait-quiet", "5m"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("waiting for quiet, 4 min"));
  EXPECT_THAT(result.err, HasSubstr("CPU pressure 40.0 % of the time (limit 5 %)"));
  EXPECT_THAT(result.err, HasSubstr("quiet after "));
  EXPECT_EQ(validity(out), std::vector<bool>(6, true));
}

TEST(WaitQuiet, MeasuresAllTheSameWhenItHasWaitedLongEnough) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto result =
      testing_support::attnbench(run_on(write_launcher(directory, "1 = 0"), out, {"--wait-quiet", "1s"}));
  EXPECT_EQ(result.exit_code, 3) << result.err;
  EXPECT_EQ(count(result.err, "not quiet within --wait-quiet 1 s: CPU pressure 40.0 %"), 1);
  EXPECT_EQ(validity(out), std::vector<bool>(5, false));
}

TEST(WaitQuiet, IsNoPartOfTheStoredCommand) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto result = testing_support::attnbench(
      run_on(write_launcher(directory, "1 = 1"), out, {"--wait-quiet", "1s", "--quiet"}));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto store = Store::open(out, Store::Mode::read);
  EXPECT_THAT(store.runs().front().run.plan->at("command").get<std::string>(), Not(HasSubstr("wait-quiet")));
}

// Quotes, blanks, a variable, a newline, a leading dash: what is printed must be what a shell reads.
TEST(ResumeCommand, IsValidShellForAnyName) {
  for (const auto* name : {"it's \"a\" $HOME `x`;\n#*?[a]=\\~.db", "-x.db"}) {
    const TemporaryDirectory directory;
    auto words = run_on(write_launcher(directory, "1 = 0"), std::string("unused"));
    words.erase(words.end() - 2, words.end());
    words.push_back(std::string("--out=") + name);
    const auto result = testing_support::attnbench(words, 120, directory.path());
    EXPECT_EQ(result.exit_code, 3) << name << result.err;
    constexpr std::string_view kBefore = "To go on:\n  ";
    const auto at = result.err.find(kBefore);
    ASSERT_NE(at, std::string::npos);
    write_launcher(directory, "1 = 1");
    std::ofstream(directory.file("command")) << result.err.substr(at + kBefore.size());
    const auto shell = "cd " + directory.path() + " && sh ./command > out 2> err";
    EXPECT_EQ(std::system(shell.c_str()), 0) << result.err;
    const auto valid = validity(directory.path() + "/" + name);
    EXPECT_EQ(std::count(valid.begin(), valid.end(), true), 6) << name;
  }
}

TEST(WaitQuiet, NeedsALengthOfTime) {
  const auto result = testing_support::attnbench({"run", "smoke", "--wait-quiet", "soon"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("wait-quiet: 'soon'"));
}

}  // namespace
}  // namespace attnbench
