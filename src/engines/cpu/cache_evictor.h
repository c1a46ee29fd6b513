#pragma once

#include <cstdint>

#include "attnbench/cpu_device.h"
#include "core/buffer.h"
#include "core/system/system_files.h"

namespace attnbench {

/// Makes the caches of a device's CPUs forget: the cold condition.
class CacheEvictor {
 public:
  /// Reads and keeps a buffer of twice the last-level caches that the device's CPUs use (64 MiB where the
  /// system does not tell; twice what is assumed of a cache that it keeps to itself), and at least twice the
  /// level 2 cache for every thread.
  explicit CacheEvictor(const CpuDevice& device, const SystemFiles& files = SystemFiles());
  /// Each thread reads its share of the buffer. Reading, not writing: dirty lines would be written back
  /// during the call that follows. Allocates nothing.
  void evict();
  std::int64_t bytes() const { return buffer_.bytes(); }

 private:
  int threads_;
  Buffer buffer_;
};

}  // namespace attnbench
