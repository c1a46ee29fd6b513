#pragma once

#include <limits>
#include <map>
#include <mutex>
#include <nlohmann/json_fwd.hpp>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "run/external/arena.h"
#include "run/protocol/process.h"

namespace attnbench {

/// What the engine's program refused to do, in its words, or how it was lost.
class PeerError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The running program of an external engine and the conversation with it (docs/external-kernels.md). It is
/// at rest, all its threads stopped, but while it is asked something and until rest(). It ends with this
/// process, and so does what it started in its group, however this process ends. Thread-safe.
class Peer {
 public:
  static constexpr double kNoLimit = std::numeric_limits<double>::infinity();

  /// Throws as Process() does.
  explicit Peer(const Program& program);
  ~Peer() { end(0); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  /// The answer, which must be of that type. Throws PeerError where the program refuses, and where it is
  /// lost: it ended, said something else, or nothing for so long. One that was lost stays so.
  nlohmann::json ask(const nlohmann::json& message, std::string_view answer_type,
                     double limit_seconds = kNoLimit);
  /// Stops all its threads until it is asked again, once those that look for work have found none.
  void rest();
  bool is_lost() const;
  /// -1 when it has ended.
  pid_t process_id() const { return process_.id(); }

  Arena& memory() { return memory_; }
  /// Numbers for what the conversation names.
  std::int64_t next_id();

 private:
  [[noreturn]] void lose(const std::string& how);
  ProcessEnd end(double patience_seconds);

  mutable std::mutex mutex_;
  Arena memory_;
  Process process_;
  Process guard_;
  std::string lost_;  ///< how; empty: it is there
  std::int64_t last_id_ = 0;
};

}  // namespace attnbench
