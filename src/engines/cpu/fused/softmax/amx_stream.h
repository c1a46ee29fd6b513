#pragma once

// The tile operations of one turn of the AMX tile kernel, cut into steps of at most four products (2 x 2
// tiles, four loads), so that the caller can spread them over its vector work.
#include "engines/cpu/fused/avx512.h"
#include "engines/cpu/fused/softmax/amx_chunk.h"
#include "engines/cpu/fused/softmax/block.h"

namespace attnbench::cpu::fused {
namespace {

/// A tile of bf16 ones: times the weights it sums them.
struct alignas(64) TileOfOnes {
  std::uint32_t pairs[kTileRows * 16];
  constexpr TileOfOnes() : pairs() {
    for (auto& pair : pairs) pair = 0x3f803f80U;
  }
};
inline constexpr TileOfOnes kTileOfOnes;

/// Scores of a unit, S^T = K Q^T, then output += V^T P^T of the units [first, last) in columns of V [begin,
/// end). Columns behind head_dim_v are sums of P.
template <typename Tiles>
class TileStream {
 public:
  ATTNBENCH_SIMD_INLINE TileStream(Block& block, Pipeline& pipeline, const Unit* scored, int first, int last,
                                   int begin, int end)
      : block_(block),
        pipeline_(pipeline),
        scored_(scored),
        scores_(reinterpret_cast<std::byte*>(scores_of(block, pipeline.scored))),
        depths_(static_cast<int>((block.head_dim_qk + kUnitKeys - 1) / kUnitKeys)),
        first_unit_(first),
        units_(last - first),
        end_(end) {
    score_.left = next_score_.left = scored != nullptr ? depths_ : 0;
    value_.left = next_value_.left = units_ * ((end - begin + 2 * kTileRows - 1) / (2 * kTileRows));
    value_.outer = next_value_.outer = begin;
    int tiles = 0;
    for (int unit = first; unit < last; ++unit) tiles |= pipeline.unit(unit).tiles;
    for (int half = 0; half < 2; ++half) {
      uses_[half] = (tiles & 5 << half) != 0;
      adds_[half] = pipeline.has_output(half);
    }
    load();
  }

  int steps() const { return score_.left + value_.left; }

  /// Multiplies what is loaded and loads for the next step: the loads of a step begin a step's weights ahead
  /// of its products. K and V come from L2 and must not push scores, weights and output out of L1: with plain
  /// loads of them mha N = 1024, D = 64 took 425 us a head, as it is 376 (Xeon with AMX, one core).
  ATTNBENCH_SIMD_INLINE void step() {
    if (score_.left > 0) {
      score_step();
    } else {
      value_step();
    }
    load();
  }

  /// Stores what is finished, just before the tiles are needed again.
  ATTNBENCH_SIMD_INLINE void flush() {
    if ((finished_ & 1) != 0) Tiles::template store<0>(first_, kLaneRowBytes);
    if ((finished_ & 2) != 0) Tiles::template store<1>(first_ + kTileRowBytes, kLaneRowBytes);
    if ((finished_ & 4) != 0) Tiles::template store<2>(second_, kLaneRowBytes);
    if ((finished_ & 8) != 0) Tiles::template store<3>(second_ + kTileRowBytes, kLaneRowBytes);
    finished_ = 0;
  }

 private:
  /// Where a walk over the steps is: `inner` depths of scores, or `outer` columns and `inner` units of
  /// values.
  struct Walk {
    int left = 0;
    int outer = 0;
    int inner = 0;
  };

  /// Operands of the next step: K or V in tiles 4 and 5, Q or P in 6 and 7.
  ATTNBENCH_SIMD_INLINE void load() {
    if (next_score_.left > 0) {
      const Unit& unit = *scored_;
      if (next_score_.inner == 0) bind_keys(unit);
      const auto* k = k_ + next_score_.inner * kTileRowBytes;
      const auto* q = block_.queries + next_score_.inner * kTileRows * kLaneRowBytes;
      if ((unit.tiles & 3) != 0) Tiles::template load_once<4>(k, k_stride_);
      if ((unit.tiles & 5) != 0) Tiles::template load<6>(q, kLaneRowBytes);
      if ((unit.tiles & 10) != 0) Tiles::template load<7>(q + kTileRowBytes, kLaneRowBytes);
      if ((unit.tiles & 12) != 0) Tiles::template load_once<5>(k + kTileRows * k_stride_, k_stride_);
      advance(next_score_, depths_, 1);
    } else if (next_value_.left > 0) {
      const int column = next_value_.outer;
      const Unit& unit = pipeline_.unit(first_unit_ + next_value_.inner);
      const auto* p = reinterpret_cast<const std::byte*>(weights_of(block_, first_unit_ + next_value_.inner));
      Tiles::template load_once<4>(values_at(unit, column), kTileRowBytes);
      if (unit.reads(0)) Tiles::template load<6>(p, kLaneRowBytes);
      if (unit.reads(1)) Tiles::template load<7>(p + kTileRowBytes, kLaneRowBytes);
      if (is_pair(column)) Tiles::template load_once<5>(values_at(unit, column + kTileRows), kTileRowBytes);
      advance(next_value_, units_, 2 * kTileRows);
    }
  }
  static void advance(Walk& walk, int inner_steps, int outer_step) {
    --walk.left;
    if (++walk.inner < inner_steps) return;
    walk.inner = 0;
    walk.outer += outer_step;
  }
  bool is_pair(int column) const { return column + kTileRows < end_; }

  ATTNBENCH_SIMD_INLINE void score_step() {
    const Unit& unit = *scored_;
    if (score_.inner == 0) {
      flush();
      Tiles::template zero<0>();
      Tiles::template zero<1>();
      Tiles::template zero<2>();
      Tiles::template zero<3>();
    }
    multiply(unit.tiles);
    if (score_.inner + 1 == depths_) {
      finish_tiles(scores_, scores_ + kTileRows * kLaneRowBytes, unit.tiles);
    }
    advance(score_, depths_, 1);
  }

  /// Those of the sums in tiles 0 to 3 that are bits of `tiles`.
  ATTNBENCH_SIMD_INLINE static void multiply(int tiles) {
    if (tiles == 15) [[likely]] {
      Tiles::template dot<0, 4, 6>();
      Tiles::template dot<1, 4, 7>();
      Tiles::template dot<2, 5, 6>();
      Tiles::template dot<3, 5, 7>();
      return;
    }
    if ((tiles & 1) != 0) Tiles::template dot<0, 4, 6>();
    if ((tiles & 2) != 0) Tiles::template dot<1, 4, 7>();
    if ((tiles & 4) != 0) Tiles::template dot<2, 5, 6>();
    if ((tiles & 8) != 0) Tiles::template dot<3, 5, 7>();
  }

  ATTNBENCH_SIMD_INLINE void value_step() {
    const int column = value_.outer;
    const bool pair = is_pair(column);
    auto* first = column_at(column);
    auto* second = column_at(column + kTileRows);
    if (value_.inner == 0) {
      flush();
      begin_column<0, 0>(first);
      begin_column<1, 1>(first);
      if (pair) {
        begin_column<2, 0>(second);
        begin_column<3, 1>(second);
      }
    }
    const Unit& unit = pipeline_.unit(first_unit_ + value_.inner);
    const int halves = (unit.reads(0) ? 1 : 0) | (unit.reads(1) ? 2 : 0);
    multiply(pair ? halves * 5 : halves);
    if (value_.inner + 1 == units_) {
      const int used = (uses_[0] ? 1 : 0) | (uses_[1] ? 2 : 0);
      finish_tiles(first, second, pair ? used * 5 : used);
    }
    advance(value_, units_, 2 * kTileRows);
  }

  /// Tiles 0 to 3 (bits of `tiles`) are complete: left halves of `first`, its right, of `second`, its right.
  void finish_tiles(std::byte* first, std::byte* second, int tiles) {
    finished_ = tiles;
    first_ = first;
    second_ = second;
  }

  template <int Tile, int Half>
  ATTNBENCH_SIMD_INLINE void begin_column(std::byte* output) const {
    if (!uses_[Half]) return;
    if (adds_[Half]) {
      Tiles::template load<Tile>(output + Half * kTileRowBytes, kLaneRowBytes);
    } else {
      Tiles::template zero<Tile>();
    }
  }

  ATTNBENCH_SIMD_INLINE std::byte* column_at(int column) const {
    auto* rows = column >= block_.head_dim_v ? sums_of(block_) : block_.output + column * kLanes;
    return reinterpret_cast<std::byte*>(rows);
  }
  ATTNBENCH_SIMD_INLINE const std::byte* values_at(const Unit& unit, int column) const {
    if (column >= block_.head_dim_v) return reinterpret_cast<const std::byte*>(&kTileOfOnes);
    return unit.v + column * kTileRowBytes;
  }

  /// Rows of K as tiles need them: in place, or copied with zeros behind where a tile would read beyond the
  /// last key or head_dim_qk is half a tile off.
  ATTNBENCH_SIMD_INLINE void bind_keys(const Unit& unit) {
    k_ = unit.k;
    k_stride_ = unit.k_stride_bytes;
    const bool half_depth = block_.head_dim_qk % kUnitKeys != 0;
    const int last = std::max(unit.end[0], unit.end[1]);
    if (!half_depth && last % kTileRows == 0) [[likely]]
      return;
    if (!half_depth && last == 1) {
      k_stride_ = 0;  // the one key sixteen times
      return;
    }
    copy_keys(unit, last);
  }
  ATTNBENCH_SIMD __attribute__((noinline)) void copy_keys(const Unit& unit, int last) {
    k_ = key_copies_of(block_);
    k_stride_ = std::int64_t{depths_} * kTileRowBytes;
    const auto row_bytes = block_.head_dim_qk * 2;
    auto* to = key_copies_of(block_);
    for (int key = 0; key < (last + kTileRows - 1) / kTileRows * kTileRows; ++key) {
      for (std::int64_t at = 0; at < k_stride_; at += kTileRowBytes, to += kTileRowBytes) {
        const auto left = (row_bytes - at) / 4;
        const auto mask = static_cast<__mmask16>(key >= last ? 0 : left >= 16 ? 0xffff : (1 << left) - 1);
        _mm512_store_si512(to, _mm512_maskz_loadu_epi32(mask, unit.k + key * unit.k_stride_bytes + at));
      }
    }
  }

  Block& block_;
  Pipeline& pipeline_;
  const Unit* scored_;
  std::byte* scores_;
  int depths_;  ///< steps of 32 elements of head_dim_qk
  int first_unit_, units_;
  int end_;
  Walk score_, next_score_;
  Walk value_, next_value_;
  bool adds_[2], uses_[2];
  int finished_ = 0;
  std::byte* first_ = nullptr;
  std::byte* second_ = nullptr;
  const std::byte* k_ = nullptr;
  std::int64_t k_stride_ = 0;
};

}  // namespace
}  // namespace attnbench::cpu::fused
