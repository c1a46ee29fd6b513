// The pool may give fewer threads than were asked for: by a limit in the environment, on a busy machine, or
// inside another parallel region. The environment is read when the program starts, so each case is a process
// of its own.
#include "core/parallel.h"

#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/error.h"
#include "attnbench/registry.h"
#include "reference_fixture.h"
#include "run/environment/executable.h"
#include "run/verification/check.h"

namespace attnbench {
namespace {

using testing::Each;
using testing::HasSubstr;

/// How often each of 1000 items was visited by 4 threads; the numbers of the threads, too.
struct Visits {
  std::vector<int> items = std::vector<int>(1000);
  std::vector<int> threads = std::vector<int>(4);
};

Visits visit() {
  Visits visits;
  std::atomic<int> wrong_threads = 0;
  parallel_for(4, 1000, [&](std::int64_t begin, std::int64_t end, int thread) {
    if (thread < 0 || thread >= 4) {
      ++wrong_threads;
      return;
    }
    ++visits.threads[static_cast<std::size_t>(thread)];
    for (auto i = begin; i < end; ++i) ++visits.items[static_cast<std::size_t>(i)];
  });
  EXPECT_EQ(wrong_threads, 0);
  return visits;
}

TEST(ParallelFor, EveryItemOnceWhateverTheTeam) {
  const auto visits = visit();
  EXPECT_THAT(visits.items, Each(1));
  EXPECT_THAT(visits.threads, Each(1));
}

TEST(ParallelFor, InsideAnotherRegionToo) {
  std::vector<Visits> inner(2);
  parallel_for(2, 2, [&](std::int64_t begin, std::int64_t end, int) {
    for (auto i = begin; i < end; ++i) inner[static_cast<std::size_t>(i)] = visit();
  });
  for (const auto& visits : inner) {
    EXPECT_THAT(visits.items, Each(1));
    EXPECT_THAT(visits.threads, Each(1));
  }
}

/// Products of oneDNN and loops of the pool together.
TEST(ParallelFor, KernelsAreRightWhateverTheTeam) {
  auto device = cpu_device(1);
  device.threads = 4;
  for (const auto* name : {"mha", "linear", "swa(w=7)"}) {
    for (const auto* kernel : kernels()) {
      const auto problem = reference::small_problem(name, 70, 70);
      const auto kinds = kernel->mechanisms();
      if (std::find(kinds.begin(), kinds.end(), problem.mechanism.kind) == kinds.end()) continue;
      if (!kernel->supports(problem, device)) continue;
      const auto data = reference::make_data(problem, reference::InputKind::normal, 1, false);
      const auto expected = expect(problem, data.tensors, reference::sample_rows(problem));
      const auto result = check_kernel(*kernel, problem, device, data.tensors, expected);
      EXPECT_TRUE(result.passed) << name << " " << kernel->kernel() << ":" << kernel->path() << " "
                                 << result.reason;
    }
  }
}

TEST(ParallelFor, FewerThreadsThanAskedForAreRefusedByName) {
  setenv("OMP_THREAD_LIMIT", "1", 1);  // no more than a name here: the pool has read it long ago
  try {
    require_threads(2, 1);
    FAIL() << "accepted";
  } catch (const InputError& error) {
    EXPECT_THAT(error.what(), HasSubstr("threads: '2' is more than the 1 that the"));
    EXPECT_THAT(error.what(), HasSubstr("OMP_THREAD_LIMIT=1"));
    EXPECT_THAT(error.what(), HasSubstr("unset it, or ask for --threads 1"));
  }
  unsetenv("OMP_THREAD_LIMIT");
  EXPECT_NO_THROW(require_threads(2, 2));
}

TEST(ParallelFor, TheTeamIsKnown) {
  ask_for_full_teams();
  const int limit = most_threads();
  EXPECT_EQ(team_size(2), std::min(2, limit));
  EXPECT_EQ(team_size(1), 1);
}

class LimitedPool : public testing::TestWithParam<std::vector<std::string>> {};

TEST_P(LimitedPool, GivesTheSameResults) {
  const pid_t pid = fork();
  if (pid == 0) {
    for (const auto* of_this_process : {"GTEST_TOTAL_SHARDS", "GTEST_SHARD_INDEX"}) unsetenv(of_this_process);
    for (const auto& setting : GetParam()) putenv(const_cast<char*>(setting.c_str()));
    execl(own_program().c_str(), "unit_tests", "--gtest_filter=ParallelFor.*", "--gtest_brief=1", nullptr);
    _exit(127);
  }
  int status = 0;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFEXITED(status)) << "signal " << WTERMSIG(status);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

INSTANTIATE_TEST_SUITE_P(Environment, LimitedPool,
                         testing::Values(std::vector<std::string>{"OMP_THREAD_LIMIT=1"},
                                         std::vector<std::string>{"OMP_THREAD_LIMIT=3"},
                                         std::vector<std::string>{"OMP_DYNAMIC=true"},
                                         std::vector<std::string>{"OMP_MAX_ACTIVE_LEVELS=0"},
                                         std::vector<std::string>{"OMP_MAX_ACTIVE_LEVELS=3",
                                                                  "OMP_NUM_THREADS=1"},
                                         std::vector<std::string>{"OMP_NUM_THREADS=7"}),
                         [](const auto& test) { return "settings_" + std::to_string(test.index); });

}  // namespace
}  // namespace attnbench
