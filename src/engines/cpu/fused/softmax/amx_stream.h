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

/// Scores of one chunk, S^T = K Q^T, then output += V^T P^T of another, and with Sums also the sums of P.
template <typename Tiles, bool Sums>
class TileStream {
 public:
  ATTNBENCH_SIMD_INLINE TileStream(Block& block, const Chunk& score, const Chunk& multiply, int turn,
                                   bool (&started)[2])
      : block_(block),
        score_(score),
        multiply_(multiply),
        scores_(reinterpret_cast<std::byte*>(scores_of(block, turn))),
        weights_(reinterpret_cast<const std::byte*>(weights_of(block, turn))),
        depths_(static_cast<int>((block.head_dim_qk + kUnitKeys - 1) / kUnitKeys)),
        columns_(static_cast<int>(block.head_dim_v) + (Sums ? kTileRows : 0)),
        score_steps_(score.units * depths_),
        value_steps_(multiply.units * ((columns_ + 2 * kTileRows - 1) / (2 * kTileRows))) {
    for (int half = 0; half < 2; ++half) {
      adds_[half] = started[half];
      uses_[half] = multiply.reads(half);
      started[half] |= uses_[half];
    }
  }

  int steps() const { return score_steps_ + value_steps_; }

  ATTNBENCH_SIMD_INLINE void step() {
    if (score_steps_ > 0) {
      score_step();
      --score_steps_;
    } else {
      value_step();
      --value_steps_;
    }
  }

  /// Stores what is finished. Called as late as possible: until a product is known, the 64 stores of its
  /// tiles block every later load that agrees with one of them in the address within 4 KiB, and so all.
  ATTNBENCH_SIMD_INLINE void flush() {
    if ((finished_ & 1) != 0) Tiles::template store<0>(first_, kLaneRowBytes);
    if ((finished_ & 2) != 0) Tiles::template store<1>(first_ + kTileRowBytes, kLaneRowBytes);
    if ((finished_ & 4) != 0) Tiles::template store<2>(second_, kLaneRowBytes);
    if ((finished_ & 8) != 0) Tiles::template store<3>(second_ + kTileRowBytes, kLaneRowBytes);
    finished_ = 0;
  }

 private:
  ATTNBENCH_SIMD_INLINE void score_step() {
    const Unit& unit = score_.unit[unit_];
    if (depth_ == 0) {
      flush();
      bind_keys(unit);
      Tiles::template zero<0>();
      Tiles::template zero<1>();
      Tiles::template zero<2>();
      Tiles::template zero<3>();
    }
    const auto* k = k_ + depth_ * kTileRowBytes;
    const auto* q = block_.queries + depth_ * kTileRows * kLaneRowBytes;
    if (all_) [[likely]] {
      Tiles::template load<4>(k, k_stride_);
      Tiles::template load<6>(q, kLaneRowBytes);
      Tiles::template dot<0, 4, 6>();
      Tiles::template load<7>(q + kTileRowBytes, kLaneRowBytes);
      Tiles::template dot<1, 4, 7>();
      Tiles::template load<5>(k + kTileRows * k_stride_, k_stride_);
      Tiles::template dot<2, 5, 6>();
      Tiles::template dot<3, 5, 7>();
    } else {
      if (unit.reads(0)) Tiles::template load<6>(q, kLaneRowBytes);
      if (unit.reads(1)) Tiles::template load<7>(q + kTileRowBytes, kLaneRowBytes);
      if (unit.reads(0, 0) || unit.reads(1, 0)) Tiles::template load<4>(k, k_stride_);
      if (unit.reads(0, 0)) Tiles::template dot<0, 4, 6>();
      if (unit.reads(1, 0)) Tiles::template dot<1, 4, 7>();
      if (unit.reads(0, 1) || unit.reads(1, 1)) {
        Tiles::template load<5>(k + kTileRows * k_stride_, k_stride_);
      }
      if (unit.reads(0, 1)) Tiles::template dot<2, 5, 6>();
      if (unit.reads(1, 1)) Tiles::template dot<3, 5, 7>();
    }
    if (++depth_ < depths_) return;
    auto* s = scores_ + unit_ * kUnitScoresBytes;
    const auto need = [&](int half, int key_tile) { return unit.reads(half, key_tile) ? 1 : 0; };
    finish_tiles(s, s + kTileRows * kLaneRowBytes,
                 need(0, 0) | need(1, 0) << 1 | need(0, 1) << 2 | need(1, 1) << 3);
    depth_ = 0;
    ++unit_;
  }

  ATTNBENCH_SIMD_INLINE void value_step() {
    const int column = column_;
    const bool pair = column + kTileRows < columns_;
    auto* first = column_at(column);
    auto* second = column_at(column + kTileRows);
    if (value_unit_ == 0) {
      flush();
      begin_column<0, 0>(first);
      begin_column<1, 1>(first);
      if (pair) {
        begin_column<2, 0>(second);
        begin_column<3, 1>(second);
      }
    }
    const Unit& unit = multiply_.unit[value_unit_];
    const auto* p = weights_ + value_unit_ * kUnitWeightsBytes;
    const bool low = unit.reads(0);
    const bool high = unit.reads(1);
    Tiles::template load<4>(values_at(unit, column), kTileRowBytes);
    if (low) {
      Tiles::template load<6>(p, kLaneRowBytes);
      Tiles::template dot<0, 4, 6>();
    }
    if (high) {
      Tiles::template load<7>(p + kTileRowBytes, kLaneRowBytes);
      Tiles::template dot<1, 4, 7>();
    }
    if (pair) {
      Tiles::template load<5>(values_at(unit, column + kTileRows), kTileRowBytes);
      if (low) Tiles::template dot<2, 5, 6>();
      if (high) Tiles::template dot<3, 5, 7>();
    }
    if (++value_unit_ < multiply_.units) return;
    const int halves = (uses_[0] ? 1 : 0) | (uses_[1] ? 2 : 0);
    finish_tiles(first, second, pair ? halves * 5 : halves);
    value_unit_ = 0;
    column_ += 2 * kTileRows;
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
    auto* rows = Sums && column >= block_.head_dim_v ? sums_of(block_) : block_.output + column * kLanes;
    return reinterpret_cast<std::byte*>(rows);
  }
  ATTNBENCH_SIMD_INLINE const std::byte* values_at(const Unit& unit, int column) const {
    if (Sums && column >= block_.head_dim_v) return reinterpret_cast<const std::byte*>(&kTileOfOnes);
    return unit.v + column * kTileRowBytes;
  }

  /// Rows of K as tiles need them: in place, or copied with zeros behind where a tile would read beyond the
  /// last key or head_dim_qk is half a tile off.
  ATTNBENCH_SIMD_INLINE void bind_keys(const Unit& unit) {
    all_ = unit.reads(0, 0) && unit.reads(0, 1) && unit.reads(1, 0) && unit.reads(1, 1);
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
  const Chunk& score_;
  const Chunk& multiply_;
  std::byte* scores_;
  const std::byte* weights_;
  int depths_;   ///< steps of 32 elements of head_dim_qk
  int columns_;  ///< of V, and those that make sums
  int score_steps_;
  int value_steps_;
  int unit_ = 0, depth_ = 0;
  int column_ = 0, value_unit_ = 0;
  bool all_ = false;  ///< all four tiles of the unit's scores are needed
  bool adds_[2], uses_[2];
  int finished_ = 0;
  std::byte* first_ = nullptr;
  std::byte* second_ = nullptr;
  const std::byte* k_ = nullptr;
  std::int64_t k_stride_ = 0;
};

}  // namespace
}  // namespace attnbench::cpu::fused
