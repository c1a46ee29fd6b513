#pragma once

// The tile products of the AMX kernel: 2 x 2 tiles of sums in tiles 0 to 3 [half of the rows][column], left
// operands (Q or weights) in 4 and 5, right ones (K or V) in 6 and 7. K and V come from L2 and are not kept
// in L1, where they would push out scores, weights and output: plain loads of them were slower.
#include "engines/cpu/fused/avx512.h"
#include "engines/cpu/fused/softmax/amx_unit.h"
#include "engines/cpu/fused/softmax/block.h"

namespace attnbench::cpu::fused {
namespace {

/// A tile of bf16 ones: weights times it are their row sums.
struct alignas(64) TileOfOnes {
  std::uint32_t pairs[kTileRows * 16];
  constexpr TileOfOnes() : pairs() {
    for (auto& pair : pairs) pair = 0x3f803f80U;
  }
};
inline constexpr TileOfOnes kTileOfOnes;

template <typename Tiles, bool WithLse>
class Products {
 public:
  /// Q of two tiles of depth stays in tiles 4 to 7 for all scores() of a full group: four loads in eight
  /// units instead of four a unit. With fewer units or halves, scores() with four sums under way is faster.
  ATTNBENCH_SIMD_INLINE static bool holds_queries(const Block& block, const Unit* units, int count) {
    if (block.head_dim_qk != 2 * kDepth || count < kGroupUnits) return false;
    return std::all_of(units, units + count, [](const Unit& unit) { return unit.tiles == 15; });
  }
  ATTNBENCH_SIMD_INLINE static void hold_queries(Block& block) {
    const auto& s = state_of(block);
    Tiles::template load<4>(s.q[0], s.q_row_bytes);
    Tiles::template load<5>(s.q[0] + s.q_depth_bytes, s.q_row_bytes);
    Tiles::template load<6>(s.q[1], s.q_row_bytes);
    Tiles::template load<7>(s.q[1] + s.q_depth_bytes, s.q_row_bytes);
  }
  ATTNBENCH_SIMD_INLINE static void held_scores(const Unit& unit, std::byte* to) {
    ATTNBENCH_UNROLL
    for (int keys = 0; keys < 2; ++keys) {
      Tiles::template load_once<2>(unit.k + keys * kTileBytes, kTileRowBytes);
      Tiles::template load_once<3>(unit.k + (2 + keys) * kTileBytes, kTileRowBytes);
      Tiles::template zero<0>();
      Tiles::template dot<0, 4, 2>();
      Tiles::template zero<1>();
      Tiles::template dot<1, 6, 2>();
      Tiles::template dot<0, 5, 3>();
      Tiles::template store<0>(to + keys * kTileBytes, kTileRowBytes);
      Tiles::template dot<1, 7, 3>();
      Tiles::template store<1>(to + (2 + keys) * kTileBytes, kTileRowBytes);
    }
  }

  /// Scores of a unit, S = Q K^T.
  ATTNBENCH_SIMD_INLINE static void scores(Block& block, const Unit& unit, std::byte* to) {
    const auto& state = state_of(block);
    const auto* low = state.q[0];
    const auto* high = state.q[1];
    const auto* k = unit.k;
    const int depths = depths_of(block);
    Tiles::template zero<0>();
    Tiles::template zero<1>();
    Tiles::template zero<2>();
    Tiles::template zero<3>();
    const int tiles = unit.tiles;
    for (int n = 0; n < depths; ++n, k += 2 * kTileBytes) {
      if (tiles == 15) [[likely]] {
        multiply_all(low, high, state.q_row_bytes, k, k + kTileBytes);
      } else {
        multiply_some(tiles, low, high, state.q_row_bytes, k, k + kTileBytes);
      }
      low += state.q_depth_bytes;
      high += state.q_depth_bytes;
    }
    if (tiles == 15) [[likely]] {
      store_all(to, to + kTileBytes, 2 * kTileBytes);
    } else {
      store_some(tiles, to, to + kTileBytes, 2 * kTileBytes);
    }
  }

  /// Output and, where nobody asks for the log-sum-exp, sums of weights: O += P V over units [begin, end).
  ATTNBENCH_SIMD_INLINE static void values(Block& block, const Unit* units, int begin, int end) {
    auto& state = state_of(block);
    int used = 0;
    bool all = true;
    for (int u = begin; u < end; ++u) {
      used |= (units[u].reads(0) ? 3 : 0) | (units[u].reads(1) ? 12 : 0);
      all &= units[u].reads(0) && units[u].reads(1);
    }
    const int adds = (state.started[0] ? 3 : 0) | (state.started[1] ? 12 : 0);
    const int tiles = value_tiles_of(block) + (WithLse ? 0 : 1);
    for (int tile = 0; tile < tiles; tile += 2) {
      const bool pair = tile + 1 < tiles;
      auto* first = output_tile(block, tile);
      auto* second = pair ? output_tile(block, tile + 1) : first;
      if (all && pair && (adds == 15 || adds == 0)) [[likely]] {
        begin_all(adds != 0, first, second);
        for (int u = begin; u < end; ++u) {
          const auto* weights = weights_of(block, u);
          multiply_all(weights, weights + kTileBytes, kTileRowBytes, values_tile(block, units[u], tile),
                       values_tile(block, units[u], tile + 1));
        }
        store_all(first, second, kTileBytes);
        continue;
      }
      if (all && !pair && tile == value_tiles_of(block) && (adds == 15 || adds == 0)) [[likely]] {
        add_sums(block, adds != 0, begin, end);
        continue;
      }
      const int columns = pair ? 15 : 5;
      begin_some(used & columns, adds, first, second);
      for (int u = begin; u < end; ++u) {
        const int halves = (units[u].reads(0) ? 3 : 0) | (units[u].reads(1) ? 12 : 0);
        const auto* weights = weights_of(block, u);
        multiply_some(halves & columns, weights, weights + kTileBytes, kTileRowBytes,
                      values_tile(block, units[u], tile),
                      pair ? values_tile(block, units[u], tile + 1) : nullptr);
      }
      store_some(used & columns, first, second, kTileBytes);
    }
    state.started[0] |= (used & 3) != 0;
    state.started[1] |= (used & 12) != 0;
  }

 private:
  /// Tiles of the two halves follow each other; those behind head_dim_v are the sums.
  static std::byte* output_tile(Block& block, int tile) {
    if (tile == value_tiles_of(block)) return sums_of(block);
    return reinterpret_cast<std::byte*>(block.output) + tile * 2 * kTileBytes;
  }
  static const std::byte* values_tile(const Block& block, const Unit& unit, int tile) {
    if (tile == value_tiles_of(block)) return reinterpret_cast<const std::byte*>(&kTileOfOnes);
    return unit.v + tile * kTileBytes;
  }

  /// Sums of weights alone: the ones stay in a tile.
  ATTNBENCH_SIMD_INLINE static void add_sums(Block& block, bool adds, int begin, int end) {
    auto* sums = sums_of(block);
    Tiles::template load<6>(&kTileOfOnes, kTileRowBytes);
    begin_one<0>(1, adds ? 1 : 0, sums);
    begin_one<2>(4, adds ? 4 : 0, sums + kTileBytes);
    for (int u = begin; u < end; ++u) {
      const auto* weights = weights_of(block, u);
      Tiles::template load<4>(weights, kTileRowBytes);
      Tiles::template load<5>(weights + kTileBytes, kTileRowBytes);
      Tiles::template dot<0, 4, 6>();
      Tiles::template dot<2, 5, 6>();
    }
    Tiles::template store<0>(sums, kTileRowBytes);
    Tiles::template store<2>(sums + kTileBytes, kTileRowBytes);
  }

  ATTNBENCH_SIMD_INLINE static void multiply_all(const std::byte* low, const std::byte* high,
                                                 std::int64_t left_stride, const std::byte* first,
                                                 const std::byte* second) {
    Tiles::template load<4>(low, left_stride);
    Tiles::template load_once<6>(first, kTileRowBytes);
    Tiles::template load_once<7>(second, kTileRowBytes);
    Tiles::template load<5>(high, left_stride);
    Tiles::template dot<0, 4, 6>();
    Tiles::template dot<1, 4, 7>();
    Tiles::template dot<2, 5, 6>();
    Tiles::template dot<3, 5, 7>();
  }
  /// Into those sums that are bits of `tiles`.
  ATTNBENCH_SIMD_INLINE static void multiply_some(int tiles, const std::byte* low, const std::byte* high,
                                                  std::int64_t left_stride, const std::byte* first,
                                                  const std::byte* second) {
    if ((tiles & 3) != 0) Tiles::template load<4>(low, left_stride);
    if ((tiles & 12) != 0) Tiles::template load<5>(high, left_stride);
    if ((tiles & 5) != 0) Tiles::template load_once<6>(first, kTileRowBytes);
    if ((tiles & 10) != 0) Tiles::template load_once<7>(second, kTileRowBytes);
    if ((tiles & 1) != 0) Tiles::template dot<0, 4, 6>();
    if ((tiles & 2) != 0) Tiles::template dot<1, 4, 7>();
    if ((tiles & 4) != 0) Tiles::template dot<2, 5, 6>();
    if ((tiles & 8) != 0) Tiles::template dot<3, 5, 7>();
  }

  ATTNBENCH_SIMD_INLINE static void begin_all(bool adds, const std::byte* first, const std::byte* second) {
    begin_some(15, adds ? 15 : 0, first, second);
  }
  ATTNBENCH_SIMD_INLINE static void begin_some(int tiles, int adds, const std::byte* first,
                                               const std::byte* second) {
    begin_one<0>(tiles, adds, first);
    begin_one<1>(tiles, adds, second);
    begin_one<2>(tiles, adds, first + kTileBytes);
    begin_one<3>(tiles, adds, second + kTileBytes);
  }
  template <int Tile>
  ATTNBENCH_SIMD_INLINE static void begin_one(int tiles, int adds, const std::byte* from) {
    if ((tiles >> Tile & 1) == 0) return;
    if ((adds >> Tile & 1) != 0) {
      Tiles::template load<Tile>(from, kTileRowBytes);
    } else {
      Tiles::template zero<Tile>();
    }
  }

  /// The second half lies `half` bytes behind the first.
  ATTNBENCH_SIMD_INLINE static void store_all(std::byte* first, std::byte* second, std::int64_t half) {
    Tiles::template store<0>(first, kTileRowBytes);
    Tiles::template store<1>(second, kTileRowBytes);
    Tiles::template store<2>(first + half, kTileRowBytes);
    Tiles::template store<3>(second + half, kTileRowBytes);
  }
  ATTNBENCH_SIMD_INLINE static void store_some(int tiles, std::byte* first, std::byte* second,
                                               std::int64_t half) {
    if ((tiles & 1) != 0) Tiles::template store<0>(first, kTileRowBytes);
    if ((tiles & 2) != 0) Tiles::template store<1>(second, kTileRowBytes);
    if ((tiles & 4) != 0) Tiles::template store<2>(first + half, kTileRowBytes);
    if ((tiles & 8) != 0) Tiles::template store<3>(second + half, kTileRowBytes);
  }
};

}  // namespace
}  // namespace attnbench::cpu::fused
