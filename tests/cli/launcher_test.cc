#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <functional>
#include <thread>

#include "store/store.h"
#include "support/command.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing_support::TemporaryDirectory;

std::vector<std::string> run_through(const std::string& launcher, const std::string& out,
                                     const std::string& seed) {
  return testing_support::small_run(out, {"--mechanism", "mha", "--launcher", launcher, "--seed", seed});
}

/// The process id that the launcher writes; its command line names the worker before it has written it.
pid_t launcher_pid(const TemporaryDirectory& directory) {
  for (pid_t pid = 0;; std::this_thread::sleep_for(std::chrono::milliseconds(20))) {
    std::ifstream(directory.file("pid")) >> pid;
    if (pid > 0) return pid;
  }
}

/// A launcher that stays alive beside the worker, as ssh or srun do, and tells its process id.
std::string write_launcher(const TemporaryDirectory& directory) {
  const auto script = directory.file("launch");
  std::ofstream(script) << "#!/bin/sh\necho $$ > " << directory.file("pid.part") << " && mv "
                        << directory.file("pid.part") << " " << directory.file("pid")
                        << "\n\"$@\"\nexit $?\n";
  std::system(("chmod +x " + script).c_str());
  return script;
}

TEST(Launcher, WorksWithAnEmptyEnvironmentInAnotherDirectory) {
  const TemporaryDirectory directory;
  const auto result = testing_support::attnbench(run_through("env -i -C /", directory.file("s.db"), "1"), 120,
                                                 directory.path());
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto store = Store::open(directory.file("s.db"), Store::Mode::read);
  const auto run = store.runs().front().id;
  EXPECT_EQ(store.processes(run, store.cells(run).front().cell_id).size(), 3u);
}

// A line of its own after the hello: in verification, while measuring, and one that is JSON.
TEST(Launcher, OneThatPrintsLaterIsNamed) {
  const TemporaryDirectory directory;
  for (const std::string line : {"2i garbage", "8i garbage", "8i {\\\"type\\\":3}"}) {
    const auto script = directory.file("talks");
    std::ofstream(script) << "#!/bin/sh\n\"$@\" | sed -u \"" << line << "\"\n";
    std::system(("chmod +x " + script).c_str());
    const auto result =
        testing_support::attnbench(run_through(script, directory.file(line.substr(0, 4) + ".db"), "1"));
    EXPECT_EQ(result.exit_code, 2) << line << ": " << result.err;
    EXPECT_THAT(result.err, HasSubstr("launcher: '" + script + "' printed what no worker says")) << line;
  }
}

TEST(Launcher, OneThatCannotBeStartedIsNamed) {
  const TemporaryDirectory directory;
  const auto result =
      testing_support::attnbench(run_through("no-such-launcher", directory.file("s.db"), "1"));
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("launcher: 'no-such-launcher' cannot be started"));
}

class BadLauncher : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(BadLauncher, IsNamedWithWhatCameBack) {
  const auto [script, came_back] = GetParam();
  const TemporaryDirectory directory;
  const auto launcher = directory.file("launch");
  std::ofstream(launcher) << "#!/bin/sh\n" << script << "\n";
  std::system(("chmod +x " + launcher).c_str());
  const auto result =
      testing_support::attnbench(run_through(launcher + " host", directory.file("s.db"), "1"));
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("launcher: '" + launcher + " host'"));
  EXPECT_THAT(result.err, HasSubstr(came_back));
}

INSTANTIATE_TEST_SUITE_P(Scripts, BadLauncher,
                         testing::Values(std::pair("exit 1", "exit code 1"),
                                         std::pair("cat", "no worker says, '{"),
                                         std::pair("echo Welcome; shift; exec \"$@\"", "'Welcome'"),
                                         std::pair("echo 42; shift; exec \"$@\"", "'42'")),
                         [](const auto& test) { return "script_" + std::to_string(test.index); });

/// Whether none of the workers of this mark that count is left, at once or within a minute: a worker that
/// nobody speaks to exits after some seconds.
bool none_is_left(const std::string& mark, const std::function<bool(pid_t)>& counts) {
  constexpr int kLooks = 3000;
  for (int look = 0; look < kLooks; ++look, std::this_thread::sleep_for(std::chrono::milliseconds(20))) {
    const auto running = testing_support::workers(mark);
    if (std::none_of(running.begin(), running.end(), counts)) return true;
  }
  return false;
}

/// Starts a run with a distinctive seed, waits for its worker, kills something, and looks for workers.
class Orphans : public testing::TestWithParam<bool> {};

TEST_P(Orphans, NoneIsLeft) {
  const bool kill_the_launcher = GetParam();
  const TemporaryDirectory directory;
  const auto launcher = write_launcher(directory);
  const std::string seed = kill_the_launcher ? "770001" : "770002";
  const pid_t pid = testing_support::start_attnbench(run_through(launcher, directory.file("s.db"), seed));
  const std::string mark = seed;  // stands in the worker's --layout-seed
  while (testing_support::workers(mark).empty()) std::this_thread::sleep_for(std::chrono::milliseconds(20));
  kill(kill_the_launcher ? launcher_pid(directory) : pid, SIGKILL);
  // The conductor, left alone, would go on with the next worker; it must not, here.
  if (kill_the_launcher) kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
  EXPECT_TRUE(none_is_left(mark, [](pid_t) { return true; }));
}

INSTANTIATE_TEST_SUITE_P(Killed, Orphans, testing::Bool(),
                         [](const auto& test) { return test.param ? "launcher" : "conductor"; });

TEST(Launcher, KilledInTheMiddleLeavesNoWorkerWhileTheConductorLives) {
  const TemporaryDirectory directory;
  const auto launcher = write_launcher(directory);
  const pid_t pid = testing_support::start_attnbench(run_through(launcher, directory.file("s.db"), "770003"));
  const auto first = [&] {
    while (true) {
      const auto running = testing_support::workers("770003");
      if (!running.empty()) return running.front();
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  }();
  kill(launcher_pid(directory), SIGKILL);
  EXPECT_TRUE(none_is_left("770003", [&](pid_t worker) { return worker == first; }));
  kill(pid, SIGKILL);
  waitpid(pid, nullptr, 0);
}

}  // namespace
}  // namespace attnbench
