#pragma once

#include <functional>
#include <memory>

namespace attnbench {

/// Captured work that can be replayed (a CUDA graph).
class Replay {
 public:
  virtual ~Replay() = default;
  virtual void enqueue() = 0;
};

/// Where an Execution puts its work. A CPU queue is synchronous; a device queue returns from enqueue early
/// and wait() blocks; a lazy framework's wait() evaluates.
class Queue {
 public:
  virtual ~Queue() = default;
  virtual void wait() = 0;
  virtual void begin_timing() = 0;
  /// Waits for all work since begin_timing().
  virtual double end_timing_seconds() = 0;
  /// Records what `work` enqueues instead of running it; null where the queue cannot.
  virtual std::unique_ptr<Replay> capture(const std::function<void(Queue&)>& work);
};

/// Synchronous, timed by the monotonic clock.
std::unique_ptr<Queue> make_cpu_queue();

}  // namespace attnbench
