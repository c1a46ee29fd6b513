#pragma once

// What the AMX tile kernel keeps between attend() calls. Keys are handled in units of 32 at multiples of 32
// (a unit is one tile of weights in depth), two units a chunk.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "engines/cpu/fused/softmax/block.h"

namespace attnbench::cpu::fused {
namespace {

inline constexpr int kTileRows = 16;
inline constexpr int kTileRowBytes = 64;
inline constexpr int kUnitKeys = 32;
inline constexpr int kChunkUnits = 2;
/// A row of queries, scores, weights or output: 32 lanes of 4 bytes, two tiles side by side.
inline constexpr int kLaneRowBytes = kLanes * 4;

/// 32 keys, of which each half of the lanes reads [begin, end).
struct Unit {
  const std::byte* k = nullptr;  ///< the unit's first key, whether read or not
  std::int64_t k_stride_bytes = 0;
  const std::byte* v = nullptr;  ///< [head_dim_v][32 keys]
  std::int32_t first_key = 0;
  std::int32_t begin[2] = {};
  std::int32_t end[2] = {};
  bool masked[2] = {};  ///< Block::begin and size decide
  bool whole = false;   ///< both halves read all keys unmasked
  int tiles = 0;        ///< of scores: bit 2 * (half of the keys) + (half of the lanes)

  bool reads(int half) const { return begin[half] < end[half]; }
  /// Adds keys [first, last) for the halves.
  void add(std::int32_t first, std::int32_t last, Halves halves, bool needs_mask) {
    for (int half = 0; half < 2; ++half) {
      if ((static_cast<int>(halves) >> half & 1) == 0) continue;
      if (!reads(half)) {
        begin[half] = first;
        end[half] = last;
        masked[half] = needs_mask;
      } else {
        masked[half] |= needs_mask || first > end[half] || last < begin[half];
        begin[half] = std::min(begin[half], first);
        end[half] = std::max(end[half], last);
      }
    }
    whole = true;
    tiles = 0;
    for (int half = 0; half < 2; ++half) {
      if (!reads(half)) {
        whole = false;
        continue;
      }
      for (int tile = begin[half] / kTileRows; tile * kTileRows < end[half]; ++tile)
        tiles |= 1 << (2 * tile + half);
      whole &= begin[half] == 0 && end[half] == kUnitKeys && !masked[half];
    }
  }
};

struct Chunk {
  Unit unit[kChunkUnits];
  int units = 0;
  bool reads(int half) const {
    bool any = false;
    for (int u = 0; u < units; ++u) any |= unit[u].reads(half);
    return any;
  }
};

/// Three chunks are in flight: a turn scores the one just filled, weighs the one before and multiplies the
/// weights of the one before that with V.
struct Pipeline {
  Chunk chunk[3];
  int turn = 0;
  bool started[2] = {};  ///< Block::output of that half of the lanes is initialised
  bool has_maximum = false;

  Chunk& filling() { return chunk[turn % 3]; }
  Chunk& weighing() { return chunk[(turn + 2) % 3]; }
  Chunk& multiplying() { return chunk[(turn + 1) % 3]; }
};
static_assert(std::is_trivially_destructible_v<Pipeline>);

/// Where the parts lie in a Block's memory.
inline constexpr std::int64_t kChunkScoresBytes = std::int64_t{kChunkUnits} * kUnitKeys * kLaneRowBytes;
inline constexpr std::int64_t kChunkWeightsBytes = kChunkScoresBytes / 2;
inline constexpr std::int64_t kUnitScoresBytes = kChunkScoresBytes / kChunkUnits;
inline constexpr std::int64_t kUnitWeightsBytes = kChunkWeightsBytes / kChunkUnits;
inline constexpr std::int64_t kSumTileBytes = std::int64_t{kTileRows} * kLaneRowBytes;
static_assert(2 * kChunkScoresBytes <= kScoresBytes);
static_assert(2 * kChunkWeightsBytes + kSumTileBytes + std::int64_t{sizeof(Pipeline)} <= kWeightsBytes);

inline float* scores_of(Block& block, int turn) {
  return block.scores + (turn % 2) * (kChunkScoresBytes / 4);
}
inline std::uint32_t* weights_of(Block& block, int turn) {
  return reinterpret_cast<std::uint32_t*>(block.weights + (turn % 2) * kChunkWeightsBytes);
}
/// Row 0 holds each lane's sum of weights.
inline float* sums_of(Block& block) {
  return reinterpret_cast<float*>(block.weights + 2 * kChunkWeightsBytes);
}
inline Pipeline& pipeline_of(Block& block) {
  return *reinterpret_cast<Pipeline*>(block.weights + 2 * kChunkWeightsBytes + kSumTileBytes);
}
/// Room for 32 rows of K, behind bf16 queries.
inline std::byte* key_copies_of(Block& block) { return block.queries + kQueriesBytes / 2; }
static_assert(kUnitKeys * kMaxHeadDim * 2 <= kQueriesBytes / 2);

}  // namespace
}  // namespace attnbench::cpu::fused
