#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace attnbench {

/// Work a thread had done at a moment.
struct ThreadProgress {
  double seconds = 0;
  double work = 0;  ///< from the start; never falls
};

/// Sum over the threads (one log each, by rising time) of each one's best rate in any window of that length,
/// taken from the time in which all were at work, where they were. Other processes that take a CPU away cost
/// the windows they fall in, not the result; a window all threads share may not exist beside them.
double sum_of_best_rates(std::span<const std::vector<ThreadProgress>> logs, double window_seconds);

/// Runs body(thread, repeats) again and again on each thread, with no barrier between, for `limit_seconds`
/// from the moment at which all have started, and returns the sum of their best rates in repeats a second.
double measure_thread_rates(int threads, double limit_seconds,
                            const std::function<void(int thread, std::int64_t repeats)>& body);

}  // namespace attnbench
