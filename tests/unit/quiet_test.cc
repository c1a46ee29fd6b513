#include "run/noise/quiet.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include "run/noise/running_threads.h"

namespace attnbench {
namespace {

using Clock = std::chrono::steady_clock;

TEST(WaitUntilQuiet, OutlastsAThreadThatStillLooksForWork) {
  std::atomic<bool> started = false, stopped = false;
  std::thread pool([&] {
    started = true;
    const auto start = Clock::now();
    while (Clock::now() - start < std::chrono::milliseconds(40)) {
    }
    stopped = true;
  });
  while (!started) {
  }
  wait_until_quiet(getpid());
  const bool had_stopped = stopped;
  pool.join();
  EXPECT_TRUE(had_stopped);
}

TEST(WaitUntilQuiet, EndsThoughAThreadNeverStops) {
  std::atomic<bool> stop = false;
  std::thread pool([&] {
    while (!stop) {
    }
  });
  wait_until_quiet(getpid());
  stop = true;
  pool.join();
}

TEST(WaitUntilQuiet, KnowsTheThreadsOfAnotherProcess) {
  std::array<int, 2> ends{};
  ASSERT_EQ(pipe(ends.data()), 0);
  const pid_t child = fork();
  if (child == 0) {
    const char ready = 1;
    if (write(ends[1], &ready, 1) != 1) _exit(1);
    const auto start = Clock::now();
    while (Clock::now() - start < std::chrono::milliseconds(40)) {
    }
    pause();
    _exit(0);
  }
  char ready = 0;
  ASSERT_EQ(read(ends[0], &ready, 1), 1);
  EXPECT_EQ(running_threads(child), 1);
  wait_until_quiet(child);
  EXPECT_EQ(running_threads(child), 0);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(ends[0]);
  close(ends[1]);
}

TEST(WaitUntilQuiet, AProcessThatIsGoneIsQuiet) {
  const pid_t child = fork();
  if (child == 0) _exit(0);
  waitpid(child, nullptr, 0);
  EXPECT_EQ(running_threads(child), 0);
  EXPECT_EQ(running_threads(-1), 0);
}

}  // namespace
}  // namespace attnbench
