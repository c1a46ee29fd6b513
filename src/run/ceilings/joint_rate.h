#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace attnbench {

/// Work a thread had done at a moment.
struct Progress {
  double seconds = 0;
  double work = 0;  ///< from the start; never falls
};

/// The greatest rate of all threads together over any window of that length in which all were at work (one
/// log a thread, by rising time). A descheduled thread or a late start costs the windows it falls in, not the
/// result. Where the threads never overlapped: all work over all time.
double best_joint_rate(std::span<const std::vector<Progress>> logs, double window_seconds);

/// Runs body(thread, repeats) again and again on each thread, with no barrier between, for `limit_seconds`
/// from the moment at which all have started, and returns the best joint rate in repeats a second.
double measure_joint_rate(int threads, double limit_seconds,
                          const std::function<void(int thread, std::int64_t repeats)>& body);

}  // namespace attnbench
