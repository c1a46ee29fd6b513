#include <array>
#include <cstring>

#include "engines/cpu/ceilings/loops.h"

namespace attnbench {
namespace {

using Floats = float __attribute__((vector_size(16)));
using Words = std::uint64_t __attribute__((vector_size(16)));

constexpr std::size_t kAccumulators = 24;

/// Accumulators approach 2, far from denormals and overflow.
void fma_portable(std::int64_t n) {
  Floats factor = {0.5f, 0.5f, 0.5f, 0.5f};
  Floats addend = {1, 1, 1, 1};
  __asm__ volatile("" : "+m"(factor), "+m"(addend));  // values the compiler cannot know
  std::array<Floats, kAccumulators> x;
  x.fill(addend);
  for (; n > 0; --n) {
#pragma GCC unroll 24  // or GCC keeps the accumulators in memory
    for (auto& a : x) a = a * factor + addend;
  }
  __asm__ volatile("" : : "m"(x));
}

void read_portable(const std::byte* source, std::int64_t bytes) {
  std::array<Words, 8> sums{};
  for (std::int64_t at = 0; at < bytes; at += 128) {
    const auto* const words = reinterpret_cast<const Words*>(source + at);
#pragma GCC unroll 8
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += words[i];
  }
  __asm__ volatile("" : : "m"(sums));
}

void copy_portable(std::byte* target, const std::byte* source, std::int64_t bytes) {
  std::memcpy(target, source, static_cast<std::size_t>(bytes));
}

}  // namespace

std::vector<ComputeLoop> compute_loops(const CpuFeatures& features) {
  std::vector<ComputeLoop> loops = {
      {"mul+add", "portable", DType::f32, 4 * 2 * static_cast<double>(kAccumulators), fma_portable}};
  if (features.neon_bf16) loops.push_back(bfmmla_loop());
  if (features.neon_fhm) loops.push_back(fmlal_loop());
  return loops;
}

MemoryLoops memory_loops(const CpuFeatures&) { return {read_portable, copy_portable, copy_portable}; }

}  // namespace attnbench
