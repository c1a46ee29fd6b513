#include "run/noise/layout_noise.h"

#include <alloca.h>

#include <random>

#include "run/allocator.h"

namespace attnbench {

LayoutNoise::LayoutNoise(std::uint64_t seed) {
  // Large blocks would come from mmap, page-aligned and untouched by what is allocated before them.
  keep_large_blocks_in_heap();
  std::mt19937_64 draw(seed);
  const auto below = [&draw](std::uint64_t limit) { return static_cast<std::size_t>(draw() % limit); };
  const auto blocks = 16 + below(48);
  for (std::size_t i = 0; i < blocks; ++i) kept_.emplace_back(1 + below(16 * 1024));
  stack_bytes_ = static_cast<std::int64_t>(16 * (1 + below(1024)));
}

std::int64_t LayoutNoise::heap_bytes() const {
  std::int64_t total = 0;
  for (const auto& block : kept_) total += static_cast<std::int64_t>(block.size());
  return total;
}

__attribute__((noinline)) void LayoutNoise::run(const std::function<void()>& body) const {
  auto* const pad = static_cast<volatile char*>(alloca(static_cast<std::size_t>(stack_bytes_)));
  pad[0] = 0;
  body();
  pad[0] = 1;  // after the call, so that it cannot become a jump that gives the pad back first
}

}  // namespace attnbench
