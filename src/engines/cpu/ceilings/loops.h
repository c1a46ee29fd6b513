#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/dtype.h"

namespace attnbench {

/// A loop that keeps one kind of arithmetic unit busy, operands in registers.
struct ComputeLoop {
  const char* unit;
  const char* path;
  DType dtype;
  double flops_per_iteration;
  void (*run)(std::int64_t iterations);
};
/// One for each unit the CPU has and this process may use.
std::vector<ComputeLoop> compute_loops(const CpuFeatures& features);

/// On AArch64 alone, with FEAT_BF16 and with FEAT_FHM.
ComputeLoop bfmmla_loop();
ComputeLoop fmlal_loop();

/// Sizes are multiples of this, and addresses of 64 bytes.
inline constexpr std::int64_t kMemoryLoopBytes = 512;

/// The widest loads and stores the CPU has.
struct MemoryLoops {
  void (*read)(const std::byte* source, std::int64_t bytes);
  void (*copy)(std::byte* target, const std::byte* source, std::int64_t bytes);
  /// Past the caches; no slower than copy where the target is not in one.
  void (*stream)(std::byte* target, const std::byte* source, std::int64_t bytes);
};
MemoryLoops memory_loops(const CpuFeatures& features);

}  // namespace attnbench
