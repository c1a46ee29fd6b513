#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <thread>

#include "run/protocol/line_channel.h"

namespace attnbench {

/// The worker's side of the conversation. A thread of its own reads messages, so that the process ends by
/// itself, whatever a kernel does: at end of input, when heartbeats stop, or when the armed step is overdue
/// (then it says so first). Ending is _exit: the operating system frees the rest, and the worker of a kernel
/// meets the end of its own input.
class Lifeline {
 public:
  Lifeline(int read_fd, int write_fd);
  ~Lifeline();
  Lifeline(const Lifeline&) = delete;
  Lifeline& operator=(const Lifeline&) = delete;

  /// Blocks until the next message that is not a heartbeat.
  nlohmann::json next();
  void send(const nlohmann::json& message);

  /// From now on the process may take `limit_seconds` for this step of this kernel.
  void arm(const std::string& kernel_id, const std::string& stage, double limit_seconds);
  void disarm();

 private:
  void listen();
  [[noreturn]] void end(int exit_code);
  void end_if_overdue();

  LineChannel channel_;
  std::atomic<bool> closing_ = false;

  std::mutex mutex_;
  std::condition_variable arrived_;
  std::deque<JsonDocument> inbox_;
  std::mutex send_mutex_;

  using Clock = std::chrono::steady_clock;
  struct Step {
    std::string kernel_id, stage;
    double limit_seconds = 0;
    Clock::time_point deadline;
    bool armed = false;
  } step_;

  std::thread listener_;  ///< last: it uses all the others
};

}  // namespace attnbench
