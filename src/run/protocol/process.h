#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/system/system_files.h"
#include "run/protocol/line_channel.h"

namespace attnbench {

/// What to start.
struct Program {
  std::vector<std::string> words;  ///< its name and its arguments
  std::string file{};              ///< that is executed; empty: the one that words[0] names, sought in PATH
  std::vector<std::pair<std::string, std::string>> environment{};  ///< added to this process's
  bool heartbeats = true;  ///< it is a worker, which ends without them
  SystemFiles files{};     ///< where the system counts whom it ended for want of memory
};

/// How a process ended.
struct ProcessEnd {
  int signal = 0;  ///< that ended it; 0: it exited
  int exit_code = 0;
  bool out_of_memory = false;  ///< the system ended it for want of memory, whatever it did with its own

  /// "crashed with SIGSEGV", "exited with code 3", "was ended by the system, which ran out of memory".
  std::string in_words() const;
};

/// The descriptor under which a program finds what Process() shares with it.
inline constexpr int kSharedDescriptor = 3;

/// A program started from this one, and the conversation with it: JSON lines on its standard input and
/// output. It starts on the CPUs that this program started with, in a process group of its own, so that a
/// terminal's Ctrl-C reaches this program alone. Nothing of this process is copied: threads, pools and
/// devices in use here do not matter. Its input ends with this process at the latest, and a worker ends with
/// its input (Lifeline).
class Process {
 public:
  /// Throws InputError where it cannot be started.
  explicit Process(const Program& program, int shared_fd = -1);
  /// Ends it and what it started in its group.
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  /// Of its group too; -1 when it has ended.
  pid_t id() const { return pid_; }
  /// False when it is gone.
  bool send(const nlohmann::json& message) { return channel_.send(message); }
  /// Waits at most `timeout` for a message and sends heartbeats meanwhile to a program that is to have them.
  /// Throws NotAMessage.
  LineChannel::Received receive(std::chrono::milliseconds timeout);
  /// Stops every thread of its group, and returns when those of the program itself have stopped; resume()
  /// lets them go on.
  void suspend();
  void resume();
  /// Closes its input and output, gives it so long to end, then ends it; says how it ended.
  ProcessEnd end(double patience_seconds);

 private:
  using Clock = std::chrono::steady_clock;

  SystemFiles files_;
  std::optional<std::int64_t> oom_kills_before_;
  bool heartbeats_ = true;
  bool suspended_ = false;
  pid_t pid_ = -1;
  int to_process_ = -1;
  int from_process_ = -1;
  LineChannel channel_{-1, -1};
  Clock::time_point next_beat_{};
  ProcessEnd end_;
};

}  // namespace attnbench
