#include "engines/cpu/ceilings/measure.h"

#include <algorithm>

#include "core/buffer.h"
#include "core/parallel.h"
#include "core/system/pages.h"
#include "core/system/topology.h"
#include "engines/cpu/ceilings/loops.h"
#include "engines/cpu/ceilings/thread_rates.h"

namespace attnbench {
namespace {

constexpr std::int64_t kKiB = 1 << 10;
constexpr std::int64_t kMiB = 1 << 20;
constexpr double kComputeSeconds = 0.15;
constexpr double kMemorySeconds = 0.05;  // three loops a working set

ComputeCeiling measure(const ComputeLoop& loop, int threads) {
  constexpr std::int64_t kIterations = 64;  // so that the call itself costs nothing
  const auto rate = measure_thread_rates(
      threads, kComputeSeconds, [&loop](int, std::int64_t repeats) { loop.run(repeats * kIterations); });
  return {loop.unit, loop.path, loop.dtype,
          rate * static_cast<double>(kIterations) * loop.flops_per_iteration};
}

/// A thread's part of a working set is swept in pieces, so that a long sweep is timed in many windows.
constexpr std::int64_t kPieceBytes = 128 * kKiB;

std::int64_t piece_bytes(std::int64_t region) { return region < 2 * kPieceBytes ? region : kPieceBytes; }

/// One thread's part of a working set: its two halves are whole pieces, or one piece of whole memory loops.
std::int64_t share_bytes(std::int64_t working_set, int threads) {
  const auto share = working_set / threads;
  const auto unit = 2 * (share < 2 * kPieceBytes ? kMemoryLoopBytes : kPieceBytes);
  return std::max(share / unit, std::int64_t{1}) * unit;
}

/// From what first-level caches hold to well past the last.
std::vector<std::int64_t> working_sets(const CpuDevice& device) {
  const SystemFiles files;
  const auto last_level =
      std::max(last_level_cache_bytes(files, device.cpus).value_or(0), assumed_cache_bytes(files));
  const auto largest = std::max(256 * kMiB, 2 * last_level);
  std::vector<std::int64_t> sets;
  for (auto bytes = 16 * kKiB; bytes < largest; bytes *= 4) {
    if (bytes >= device.threads * 4 * kKiB) sets.push_back(bytes);
  }
  sets.push_back(largest);
  return sets;
}

/// Memory on large pages, so that address translation does not lower the ceiling.
class WorkingMemory {
 public:
  explicit WorkingMemory(std::int64_t bytes) : buffer_(bytes + kPage) {
    const auto address = reinterpret_cast<std::uintptr_t>(buffer_.data());
    const auto offset = (static_cast<std::uintptr_t>(kPage) - address % kPage) % kPage;
    data_ = buffer_.as<std::byte>() + offset;
    ask_for_large_pages(data_, bytes);
  }
  std::byte* data() const { return data_; }

 private:
  static constexpr std::int64_t kPage = 2 * kMiB;
  Buffer buffer_;
  std::byte* data_ = nullptr;
};

BandwidthCeiling measure(const MemoryLoops& loops, std::byte* memory, std::int64_t working_set, int threads) {
  const auto share = share_bytes(working_set, threads);
  const auto half = share / 2;
  /// Bytes a second of sweep(data, bytes) over the first `region` bytes of each share.
  const auto rate = [&](std::int64_t region, auto&& sweep) {
    const auto piece = piece_bytes(region);
    const auto pieces = region / piece;
    std::vector<std::int64_t> next(static_cast<std::size_t>(threads));
    const auto pieces_per_second =
        measure_thread_rates(threads, kMemorySeconds, [&](int thread, std::int64_t repeats) {
          auto at = next[static_cast<std::size_t>(thread)];
          for (std::int64_t i = 0; i < repeats; ++i) {
            sweep(memory + thread * share + at * piece, piece);
            if (++at == pieces) at = 0;
          }
          next[static_cast<std::size_t>(thread)] = at;
        });
    return pieces_per_second * static_cast<double>(piece);
  };
  // The first touch puts each thread's pages on its own NUMA node.
  parallel_for(threads, threads, [&](std::int64_t, std::int64_t, int thread) {
    std::fill_n(memory + thread * share, share, std::byte{1});
  });
  const auto read = rate(share, loops.read);
  const auto copy = rate(half, [&](std::byte* data, std::int64_t n) { loops.copy(data + half, data, n); });
  const auto stream =
      rate(half, [&](std::byte* data, std::int64_t n) { loops.stream(data + half, data, n); });
  return {share * threads, read, 2 * std::max(copy, stream)};
}

}  // namespace

Ceilings measure_ceilings(const CpuDevice& device) {
  Ceilings ceilings;
  ceilings.threads = device.threads;
  for (const auto& loop : compute_loops(device.features))
    ceilings.compute.push_back(measure(loop, device.threads));
  const auto loops = memory_loops(device.features);
  for (const auto bytes : working_sets(device)) {
    // Fresh memory each time: pages touched for another division may lie on another thread's node.
    const WorkingMemory memory(share_bytes(bytes, device.threads) * device.threads);
    ceilings.bandwidth.push_back(measure(loops, memory.data(), bytes, device.threads));
  }
  return ceilings;
}

}  // namespace attnbench
