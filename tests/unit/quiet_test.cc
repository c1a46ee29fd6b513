#include "run/noise/quiet.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <thread>

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

}  // namespace
}  // namespace attnbench
