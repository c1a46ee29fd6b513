#pragma once

#include <cstddef>
#include <vector>

namespace attnbench {

/// Gives the calling thread the CPUs back that the process started with (see allowed_cpus()): a program it
/// then starts inherits them, whatever a thread pool has bound since. Calls nothing but the system.
void restore_start_affinity();

/// While it lives, what this thread starts may run on all CPUs that this program started with: a thread pool
/// may have bound the thread since.
class OnStartCpus {
 public:
  OnStartCpus();
  ~OnStartCpus();
  OnStartCpus(const OnStartCpus&) = delete;
  OnStartCpus& operator=(const OnStartCpus&) = delete;

 private:
  std::vector<std::byte> before_;  ///< the system's own form; empty where not known
};

/// Asks that the calling thread run on the fastest kind of cores. macOS binds no thread to a core and takes
/// the wish for what it is; elsewhere threads are bound and this does nothing.
void prefer_fast_cores();

}  // namespace attnbench
