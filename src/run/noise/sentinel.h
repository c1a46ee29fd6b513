#pragma once

#include <cstdint>

#include "core/buffer.h"

namespace attnbench {

/// A fixed workload of the tool's own that no kernel change can touch: on every thread a chain of dependent
/// integer operations (the clock) and copies within the second-level cache (who shares the core). Its time
/// changes only when the machine's does; compare times of one process only.
class Sentinel {
 public:
  explicit Sentinel(int threads);
  /// One run, about 0.3 to 1 ms. Allocates nothing.
  double run_seconds();

 private:
  int threads_;
  Buffer source_;
  Buffer target_;
  std::uint64_t state_ = 0x9e3779b97f4a7c15u;
};

}  // namespace attnbench
