#pragma once

#include <cstdint>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "run/environment/system_files.h"

namespace attnbench {

struct ChildLimits {
  double seconds = 60;             ///< between two messages, or in all
  bool seconds_are_total = false;  ///< which of the two
  std::int64_t memory_bytes = 0;   ///< that the child may add to what it starts with; 0: no limit
  int threads = 1;                 ///< whose stacks and arenas are not counted
  SystemFiles files{};             ///< where the system counts whom it ended for want of memory
};

/// How a child ended: with all its work done, or why not, in words: "crashed with SIGSEGV", "did not finish
/// within 60 s", "ran out of memory (limit 1.5 GiB)", "threw: ...", "exited with code 3".
struct ChildEnd {
  bool done = false;
  std::string reason;
  bool system_out_of_memory =
      false;  ///< the system ended it for want of memory, whatever it did with its own
};

/// Sends one message to the parent.
using ChildSend = std::function<void(const nlohmann::json&)>;

/// Forks and runs each of `works` in a child of its own, all at once. A child shares the caller's memory
/// copy-on-write, cannot print to stdout, leaves no core file and dies with the parent. `on_message` sees
/// each message in the parent, with the index of its child, while the children run. A child past its limit is
/// killed. The caller must not have started OpenMP: its pool does not survive a fork. Throws
/// std::system_error where fork or pipe fail.
std::vector<ChildEnd> run_children(const std::vector<std::function<void(const ChildSend&)>>& works,
                                   const ChildLimits& limits,
                                   const std::function<void(std::size_t, const nlohmann::json&)>& on_message);

/// run_children() with one.
ChildEnd run_child(const std::function<void(const ChildSend&)>& work, const ChildLimits& limits,
                   const std::function<void(const nlohmann::json&)>& on_message);

}  // namespace attnbench
