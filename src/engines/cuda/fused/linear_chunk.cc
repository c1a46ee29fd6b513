#include "engines/cuda/fused/linear_chunk.h"

#include <algorithm>
#include <limits>

namespace attnbench::cuda {
namespace {

/// Tiles that a block could take while it starts and ends. An estimate, not measured on its own.
constexpr std::int64_t kStart = 2;

std::int64_t ceil_div(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

}  // namespace

std::int64_t linear_chunk(std::int64_t tokens, std::int64_t tile, std::int64_t items, std::int64_t blocks) {
  const auto tiles = ceil_div(tokens, tile);
  auto least = std::numeric_limits<std::int64_t>::max(), best = tiles;
  for (std::int64_t chunks = 1; chunks <= std::min(tiles, 2 * blocks); ++chunks) {
    const auto each = ceil_div(tiles, chunks);
    const auto time = ceil_div(items * chunks, blocks) * (each + kStart);
    if (time >= least) continue;
    least = time;
    best = each;
  }
  return best * tile;
}

}  // namespace attnbench::cuda
