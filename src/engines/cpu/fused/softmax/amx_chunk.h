#pragma once

// What the AMX tile kernel keeps between attend() calls. Keys are handled in units of 32 at multiples of 32:
// a unit is one tile of weights in depth.
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

  bool reads(int half) const { return (tiles & 5 << half) != 0; }
  void begin_at(const KeySpan& span, const std::byte* values, std::int32_t first) {
    k = span.k - (span.first_key - first) * span.k_stride_bytes;
    k_stride_bytes = span.k_stride_bytes;
    v = values;
    first_key = first;
    begin[0] = begin[1] = end[0] = end[1] = 0;
    masked[0] = masked[1] = whole = false;
    tiles = 0;
  }

  /// Adds keys [first, last) for the halves.
  void add(std::int32_t first, std::int32_t last, Halves halves, bool needs_mask) {
    if (last - first == kUnitKeys && halves == Halves::both && !needs_mask && tiles == 0) [[likely]] {
      end[0] = end[1] = kUnitKeys;
      whole = true;
      tiles = 15;
      return;
    }
    for (int half = 0; half < 2; ++half) {
      if ((static_cast<int>(halves) >> half & 1) == 0) continue;
      if (begin[half] == end[half]) {
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
      if (begin[half] == end[half]) {
        whole = false;
        continue;
      }
      for (int tile = begin[half] / kTileRows; tile * kTileRows < end[half]; ++tile)
        tiles |= 1 << (2 * tile + half);
      whole &= begin[half] == 0 && end[half] == kUnitKeys && !masked[half];
    }
  }
};

/// Units are scored one after another, weighed a turn later, and multiplied with V four at a time, so that
/// the output is loaded and stored once in 128 keys.
struct Pipeline {
  Unit ring[16];
  int filled = 0;  ///< units begun, of which the last is still being filled
  int scored = 0;
  int weighed = 0;
  int multiplied = 0;  ///< units whose values are added to all columns
  int column = 0;      ///< of the units being multiplied
  int started = 0;     ///< Unit::tiles of all units multiplied
  bool has_maximum = false;

  bool has_output(int half) const { return (started & 5 << half) != 0; }
  Unit& unit(int number) { return ring[static_cast<unsigned>(number) % 16]; }
};
static_assert(std::is_trivially_destructible_v<Pipeline>);

/// Where the parts lie in a Block's memory: two units of scores, eight of weights. All that is touched in a
/// turn stays well under 48 KiB of L1.
inline constexpr int kGroupUnits = 4;
inline constexpr int kWeightsUnits = 2 * kGroupUnits;
inline constexpr std::int64_t kUnitScoresBytes = std::int64_t{kUnitKeys} * kLaneRowBytes;
inline constexpr std::int64_t kUnitWeightsBytes = kUnitScoresBytes / 2;
inline constexpr std::int64_t kSumTileBytes = std::int64_t{kTileRows} * kLaneRowBytes;
static_assert(kWeightsUnits * kUnitWeightsBytes <= kWeightsBytes);
static_assert(2 * kUnitScoresBytes + kSumTileBytes + std::int64_t{sizeof(Pipeline)} <= kScoresBytes);

inline float* scores_of(Block& block, int unit) {
  return block.scores + (static_cast<unsigned>(unit) % 2) * (kUnitScoresBytes / 4);
}
inline std::uint32_t* weights_of(Block& block, int unit) {
  return reinterpret_cast<std::uint32_t*>(block.weights +
                                          (static_cast<unsigned>(unit) % kWeightsUnits) * kUnitWeightsBytes);
}
/// Row 0 holds each lane's sum of weights.
inline float* sums_of(Block& block) { return block.scores + 2 * kUnitScoresBytes / 4; }
inline Pipeline& pipeline_of(Block& block) {
  return *reinterpret_cast<Pipeline*>(sums_of(block) + kSumTileBytes / 4);
}
/// Room for 32 rows of K, behind bf16 queries.
inline std::byte* key_copies_of(Block& block) { return block.queries + kQueriesBytes / 2; }
static_assert(kUnitKeys * kMaxHeadDim * 2 <= kQueriesBytes / 2);

}  // namespace
}  // namespace attnbench::cpu::fused
