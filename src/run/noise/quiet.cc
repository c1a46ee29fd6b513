#include "run/noise/quiet.h"

#include <chrono>
#include <thread>

#include "run/noise/running_threads.h"

namespace attnbench {

void wait_until_quiet(pid_t process) {
  using Clock = std::chrono::steady_clock;
  constexpr std::chrono::milliseconds kPause{1};
  constexpr std::chrono::milliseconds kLimit{100};
  const auto start = Clock::now();
  while (running_threads(process) > 0 && Clock::now() - start < kLimit) std::this_thread::sleep_for(kPause);
}

}  // namespace attnbench
