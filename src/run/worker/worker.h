#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace attnbench {

/// How a worker process is started: `attnbench worker ...`.
struct WorkerOptions {
  int threads = 0;        ///< 0: all physical cores
  std::vector<int> cpus;  ///< one a thread: set by the worker's own second start, never by a person
  std::vector<std::string> plugins;
  std::string exec;                          ///< not empty: become this engine's program (become_peer())
  std::string commit;                        ///< that the program was built from, see probe_environment()
  std::optional<std::uint64_t> layout_seed;  ///< offsets of heap and stack
};

/// Runs a worker: speaks the slot messages (run/protocol/messages.h) on stdin and the descriptor that was
/// stdout; stdout itself then points at stderr, so that a kernel that prints disturbs nobody. Starts itself
/// once more with the thread pool's environment set (libgomp reads it when it is loaded), unless it is told
/// its CPUs. Returns the exit code.
int run_worker(const WorkerOptions& options, char** argv);

}  // namespace attnbench
