#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <functional>
#include <random>
#include <set>
#include <thread>

#include "attnbench/error.h"
#include "store/sqlite.h"
#include "store/store.h"
#include "support/command.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing_support::TemporaryDirectory;

/// A study of two small cells.
std::vector<std::string> two_kernels_run(const std::string& out) {
  return {"run",        "smoke",      "--accept-noise",
          "--scope",    "core",       "--mechanism",
          "mha,linear", "--threads",  "1",
          "--seqlen",   "64",         "--out",
          out,          "--ceilings", testing_support::ceilings_file()};
}

using Committed = std::set<std::pair<std::string, int>>;

/// (cell, process) of every committed process; empty while the store has no run yet: a run that was killed in
/// its first transaction leaves a file that SQLite rolls back to nothing.
Committed committed(const std::string& out) try {
  Committed found;
  const auto store = Store::open(out, Store::Mode::read);
  for (const auto& [run, record] : store.runs()) {
    for (const auto& cell : store.cells(run)) {
      for (const auto& process : store.processes(run, cell.cell_id))
        found.emplace(cell.cell_id, process.process);
    }
  }
  return found;
} catch (const InputError& error) {
  const std::string what = error.what();
  if (what.ends_with("is empty: nothing was stored in it") || !std::filesystem::exists(out)) return {};
  throw;
}

/// Ends the run hard once `reached` holds. False where it ended by itself before.
bool kill_once(pid_t run, const std::function<bool()>& reached) {
  while (!reached()) {
    if (waitpid(run, nullptr, WNOHANG) == run) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  kill(run, SIGKILL);
  int status = 0;
  waitpid(run, &status, 0);
  return WIFSIGNALED(status);
}

/// Kills a little after the start, after a worker's start and, each fourth, after a process was committed: at
/// most 10 of the 12 are.
TEST(Resume, TwentyHardKillsLoseAndRepeatNothing) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const std::string seed = "20261122";  // stands in the workers' command lines
  auto command = two_kernels_run(out);
  std::replace(command.begin(), command.end(), std::string("64"), std::string("16,64"));
  command.insert(command.end(), {"--seed", seed});
  std::mt19937 random(20261122);
  Committed before;
  int kills_after_a_commit = 0;
  for (int kill_number = 0; kill_number < 20; ++kill_number) {
    const bool await_commit = kill_number % 4 == 3;
    std::uniform_real_distribution<double> delay(0, await_commit ? 0.05 : 0.3);
    const auto reached = [&] {
      if (await_commit) return committed(out).size() > before.size();
      return kill_number % 2 == 0 || !testing_support::workers(seed).empty();
    };
    const auto reached_and_later = [&] {
      if (!reached()) return false;
      std::this_thread::sleep_for(std::chrono::duration<double>(delay(random)));
      return true;
    };
    EXPECT_TRUE(kill_once(testing_support::start_attnbench(command), reached_and_later)) << kill_number;
    const auto now = committed(out);
    EXPECT_TRUE(std::includes(now.begin(), now.end(), before.begin(), before.end()))
        << "after kill " << kill_number;
    kills_after_a_commit += now.size() > before.size();
    before = now;
  }
  EXPECT_GE(kills_after_a_commit, 5);
  const auto last = testing_support::attnbench(command);
  EXPECT_EQ(last.exit_code, 0) << last.err;

  const auto store = Store::open(out, Store::Mode::read);
  ASSERT_EQ(store.runs().size(), 1u);
  const auto run = store.runs().front().id;
  const auto cells = store.cells(run);
  ASSERT_EQ(cells.size(), 4u);  // two lengths, f32 and bf16
  for (const auto& cell : cells) {
    const auto entrants = std::count_if(cell.kernels.begin(), cell.kernels.end(),
                                        [](const auto& kernel) { return kernel.support_reason.empty(); });
    int valid = 0;
    for (const auto& process : store.processes(run, cell.cell_id)) {
      if (!process.valid) continue;
      ++valid;
      EXPECT_EQ(process.samples.size(), static_cast<std::size_t>(10 * (entrants + 1 + 2) + 5 * entrants));
    }
    EXPECT_EQ(valid, 3) << cell.cell_id;
  }
}

TEST(Resume, AFinishedRunMeasuresNothingMore) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  ASSERT_EQ(testing_support::attnbench(two_kernels_run(out)).exit_code, 0);
  const auto before = committed(out);
  EXPECT_EQ(testing_support::attnbench(two_kernels_run(out)).exit_code, 0);
  EXPECT_EQ(committed(out), before);
}

TEST(Resume, AnotherPlanIsRefusedNamingTheDifference) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  ASSERT_EQ(testing_support::attnbench(two_kernels_run(out)).exit_code, 0);
  auto other = two_kernels_run(out);
  other.insert(other.end(), {"--seed", "7"});
  const auto result = testing_support::attnbench(other);
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("the seed differs: stored 1, now 7"));
}

TEST(Resume, CtrlCWhileTheMachineIsProbedIsNoError) {
  const TemporaryDirectory directory;
  auto command = two_kernels_run(directory.file("s.db"));
  const auto mark = directory.file("probing");
  const auto launcher = directory.file("slow");
  std::ofstream(launcher) << "#!/bin/sh\n: > " << mark << "\nsleep 60\n";
  std::filesystem::permissions(launcher, std::filesystem::perms::owner_all);
  command.insert(command.end(), {"--launcher", launcher});
  const pid_t pid = testing_support::start_attnbench(command);
  while (!std::filesystem::exists(mark)) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  kill(pid, SIGTERM);
  int status = 0;
  waitpid(pid, &status, 0);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 130);
  EXPECT_EQ(testing_support::attnbench(two_kernels_run(directory.file("s.db"))).exit_code, 0);
}

/// A launcher whose workers start, but those whose number, from 1, is among `failing`.
std::string launcher_failing_at(const TemporaryDirectory& directory, const std::string& failing) {
  auto launcher = directory.file("launch");
  const auto count = directory.file("count");
  std::ofstream(launcher) << "#!/bin/sh\nn=$(($(cat " << count << " 2>/dev/null || echo 0) + 1))\necho $n > "
                          << count << "\ncase $n in " << failing << ") exit 255;; esac\nexec \"$@\"\n";
  std::filesystem::permissions(launcher, std::filesystem::perms::owner_all);
  return launcher;
}

/// A study of one small cell: worker 1 probes, 2 verifies, each further one measures.
std::vector<std::string> one_cell_run(const std::string& out, const std::string& launcher) {
  return testing_support::small_run(out, {"--mechanism", "mha", "--seqlen", "16", "--launcher", launcher});
}

TEST(Resume, TriesUsedUpAreToldAndTheSameCommandGoesOn) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto command = one_cell_run(out, launcher_failing_at(directory, "3|4"));
  const auto first = testing_support::attnbench(command);
  EXPECT_THAT(first.err, HasSubstr("2 of 3 processes"));
  EXPECT_THAT(first.err, HasSubstr("To go on:\n  "));
  EXPECT_EQ(committed(out).size(), 4u);
  const auto second = testing_support::attnbench(command);
  EXPECT_EQ(second.exit_code, 0) << second.err;
  EXPECT_THAT(second.err, Not(HasSubstr("To go on")));
  EXPECT_EQ(committed(out).size(), 5u);
}

TEST(Resume, WorkersThatDoNotStartAreTheLaunchersFaultAndWhatWasMeasuredStays) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto launcher = launcher_failing_at(directory, "[4-6]");  // one process is measured before
  const auto command = one_cell_run(out, launcher);
  const auto first = testing_support::attnbench(command);
  // A quick cell has four tries; the third loss in a row ends the run before they are used up.
  EXPECT_EQ(first.exit_code, 2) << first.err;
  EXPECT_THAT(first.err,
              HasSubstr("launcher: '" + launcher + "' lost 3 workers in a row before a kernel began"));
  EXPECT_THAT(first.err, HasSubstr("is kept in " + out));
  EXPECT_EQ(committed(out).size(), 4u);
  const auto second = testing_support::attnbench(command);
  EXPECT_EQ(second.exit_code, 0) << second.err;
  EXPECT_EQ(committed(out).size(), 6u);
}

TEST(Resume, WorkersThatDoNotStartToVerifyAreTheLaunchersFault) {
  const TemporaryDirectory directory;
  const auto launcher = launcher_failing_at(directory, "2");  // worker 1 probes, 3 verifies
  const auto once = testing_support::attnbench(one_cell_run(directory.file("s.db"), launcher));
  EXPECT_EQ(once.exit_code, 0) << once.err;
  EXPECT_THAT(once.err, HasSubstr("exit code 255; started again"));
  const TemporaryDirectory other;
  const auto result =
      testing_support::attnbench(one_cell_run(other.file("s.db"), launcher_failing_at(other, "[2-4]")));
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_THAT(result.err, HasSubstr("lost 3 workers in a row before a kernel began"));
}

TEST(Resume, AReaderThatHoldsTheStoreCostsNothing) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  testing_support::CommandResult result;
  std::thread run([&] { result = testing_support::attnbench(one_cell_run(out, "env")); });
  const auto has_a_run = [&] {
    std::error_code none_yet;
    if (std::filesystem::file_size(out, none_yet) == 0 || none_yet) return false;
    return !Store::open(out, Store::Mode::read).runs().empty();
  };
  while (!has_a_run()) std::this_thread::sleep_for(std::chrono::milliseconds(5));
  {
    const sqlite::Connection reader(out, SQLITE_OPEN_READWRITE);
    reader.execute("BEGIN; SELECT count(*) FROM sample");
    // Longer than SQLite is told to wait, and than a worker goes without its conductor's heartbeat.
    std::this_thread::sleep_for(std::chrono::seconds(12));
  }
  run.join();
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("warning: " + out + " is locked by another program"));
  EXPECT_EQ(committed(out).size(), 3u);
}

/// The reasons of kernels that the store says are not supported.
std::set<std::string> left_out_for(const std::string& out) {
  const auto store = Store::open(out, Store::Mode::read);
  std::set<std::string> reasons;
  for (const auto& cell : store.cells(store.runs().front().id)) {
    for (const auto& kernel : cell.kernels) reasons.insert(kernel.support_reason);
  }
  return reasons;
}

TEST(Resume, ABudgetHidesNothingThatWasMeasured) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  ASSERT_EQ(testing_support::attnbench(one_cell_run(out, "env")).exit_code, 0);
  const auto before = left_out_for(out);
  auto command = one_cell_run(out, "env");
  command.insert(command.end(), {"--budget", "1s"});
  const auto result = testing_support::attnbench(command);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(left_out_for(out), before);
}

TEST(Resume, WithoutABudgetWhatItLeftOutOfACellNotYetMeasuredComesBack) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  // Verified, and no worker after that starts.
  const auto broken = launcher_failing_at(directory, "[3-9]");
  ASSERT_EQ(testing_support::attnbench(one_cell_run(out, broken)).exit_code, 2);
  const auto before = left_out_for(out);
  {
    auto store = Store::open(out, Store::Mode::write);
    const auto run = store.runs().front().id;
    auto cell = store.cells(run).front();
    const auto other = std::find_if(cell.kernels.begin(), cell.kernels.end(), [](const auto& kernel) {
      return kernel.support_reason.empty() && !kernel.is_baseline;
    });
    ASSERT_NE(other, cell.kernels.end());
    other->support_reason = "> 0.5 s a call: too slow for the budget";
    store.put_cell(run, cell);
  }
  ASSERT_NE(left_out_for(out), before);
  const auto result = testing_support::attnbench(one_cell_run(out, "env"));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(left_out_for(out), before);
}

TEST(Resume, CtrlCKeepsWhatWasMeasuredAndSaysHowToGoOn) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const pid_t pid = testing_support::start_attnbench(two_kernels_run(out));
  while (committed(out).empty()) std::this_thread::sleep_for(std::chrono::milliseconds(50));
  kill(pid, SIGINT);
  int status = 0;
  waitpid(pid, &status, 0);
  EXPECT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 130);
  EXPECT_FALSE(committed(out).empty());
  EXPECT_EQ(testing_support::attnbench(two_kernels_run(out)).exit_code, 0);
}

}  // namespace
}  // namespace attnbench
