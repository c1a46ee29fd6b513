#pragma once

// What the AMX tile kernels work on. Keys are handled in units of 32 at multiples of 32, in decode from a
// span's first key: a unit is one tile of weights in depth. All tiles are 1 KiB in one piece, 16 rows of 64
// bytes.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "engines/cpu/fused/avx512.h"
#include "engines/cpu/fused/softmax/block.h"

namespace attnbench::cpu::fused {
namespace {

inline constexpr int kTileRows = 16;
inline constexpr int kTileRowBytes = 64;
inline constexpr int kTileBytes = kTileRows * kTileRowBytes;
inline constexpr int kUnitKeys = 32;
/// head_dim_qk covered by one tile of Q or K.
inline constexpr int kDepth = 32;
/// Units whose values are multiplied together, so that the output is loaded and stored once in 256 keys.
inline constexpr int kGroupUnits = 8;
inline constexpr int kGroupKeys = kGroupUnits * kUnitKeys;

/// 32 keys, of which each half of the rows reads [begin, end).
struct Unit {
  const std::byte* k = nullptr;  ///< packed by pack_keys(); null in decode, which reads K where it lies
  const std::byte* v = nullptr;  ///< packed by pack_values()
  std::int32_t first_key = 0;
  std::int32_t begin[2] = {};
  std::int32_t end[2] = {};
  bool masked[2] = {};  ///< Block::begin and size decide
  int tiles = 0;        ///< of scores: bit 2 * (half of the rows) + (half of the keys)

  bool reads(int half) const { return (tiles >> 2 * half & 3) != 0; }
  /// All rows of the half see all keys.
  bool whole(int half) const { return begin[half] == 0 && end[half] == kUnitKeys && !masked[half]; }

  /// Nothing but the first key, for all rows: a global one.
  bool single() const { return tiles == 5 && end[0] == 1 && end[1] == 1 && !masked[0] && !masked[1]; }

  /// Adds keys [first, last) for the halves.
  void add(std::int32_t first, std::int32_t last, Halves halves, bool needs_mask) {
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
      if (begin[half] < kTileRows) tiles |= 1 << 2 * half;
      if (end[half] > kTileRows) tiles |= 2 << 2 * half;
    }
  }
};

/// Calls attend(units, count) for the units of the spans, up to kGroupUnits at a time.
template <typename Attend>
ATTNBENCH_SIMD_INLINE void for_each_group(std::span<const KeySpan> spans, const Attend& attend) {
  Unit units[kGroupUnits];
  int count = 0;
  for (const auto& span : spans) {
    const auto* k = span.k;
    const auto* v = span.v;
    const auto last = span.first_key + span.keys;
    for (auto key = span.first_key; key < last; k += span.k_stride_bytes, v += span.v_stride_bytes) {
      const auto unit_begin = key / kUnitKeys * kUnitKeys;
      const auto end = std::min(unit_begin + kUnitKeys, last);
      if (count == 0 || units[count - 1].v != v) {
        if (count == kGroupUnits) {
          attend(units, count);
          count = 0;
        }
        units[count] = {};
        units[count].k = k;
        units[count].v = v;
        units[count++].first_key = unit_begin;
      }
      units[count - 1].add(key - unit_begin, end - unit_begin, span.halves,
                           key < span.full_begin || end > span.full_end);
      key = end;
    }
  }
  attend(units, count);
}

/// What the kernel keeps of a block between attend() calls, beside the maxima.
struct AmxState {
  alignas(64) float offset[kLanes];  ///< of a row's weights, see Weights
  alignas(64) float single_weight[kLanes];
  const std::byte* single_v;  ///< of a key kept out of the products, packed; null: there is none
  bool guessed;               ///< the maxima are 0 for want of a look at the scores
  bool has_maximum;
  bool started[2];  ///< the half has output and sums
  /// Left operands: tile (depth n, half) begins at q[half] + n * q_depth_bytes.
  const std::byte* q[2];
  std::int64_t q_depth_bytes, q_row_bytes;
};
static_assert(std::is_trivially_destructible_v<AmxState>);

/// Where the parts lie in a Block's memory: scores of two units, weights of a group, a tile of sums for each
/// half (row sums in every column, or summed over the columns), output [head_dim_v / 16][half]. All of it
/// stays well under 48 KiB of L1.
inline constexpr std::int64_t kUnitScoresBytes = 4 * kTileBytes;
inline constexpr std::int64_t kUnitWeightsBytes = 2 * kTileBytes;
static_assert(kGroupUnits * kUnitWeightsBytes <= kWeightsBytes);
static_assert(2 * kUnitScoresBytes + 2 * kTileBytes + std::int64_t{sizeof(AmxState)} <= kScoresBytes);

/// [half of the rows][half of the keys] tiles of f32.
inline std::byte* scores_of(Block& block, int unit) {
  return reinterpret_cast<std::byte*>(block.scores) + (unit & 1) * kUnitScoresBytes;
}
/// [row][32 keys] of bf16, in the order of pack_values().
inline std::byte* weights_of(Block& block, int unit) { return block.weights + unit * kUnitWeightsBytes; }
inline std::byte* sums_of(Block& block) {
  return reinterpret_cast<std::byte*>(block.scores) + 2 * kUnitScoresBytes;
}
inline AmxState& state_of(Block& block) {
  return *reinterpret_cast<AmxState*>(sums_of(block) + 2 * kTileBytes);
}
inline int depths_of(const Block& block) {
  return static_cast<int>((block.head_dim_qk + kDepth - 1) / kDepth);
}
inline int value_tiles_of(const Block& block) { return static_cast<int>(block.head_dim_v / kTileRows); }

}  // namespace
}  // namespace attnbench::cpu::fused
