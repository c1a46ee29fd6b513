#pragma once

// Linear attention on real or emulated AMX tiles. z is one more tile of columns beside S, the same in each of
// its 16: as a product of tiles the denominators cost a fifth more products at D = 64 and no reductions.
// On one core of a Xeon with AMX, D = 64, a row takes 15 ns of packing k, 4 of v and 23 of products into the
// state, 13 of packing q and 21 of products and output: loads and stores of tiles cost about as much as
// products, and neither hides behind the other (softmax/amx_tile.h). linear takes 69 to 71 ns (N = 128 to
// 4096), path portable 154 to 158. Blocks of 256 keys instead of 128 gain 2 to 3 %. Rejected: z summed by
// vectors while k is packed (update 20, but packing 18), causal chunks of 128 (113 where 101), packing the
// next queries before the stores of these (34 where apart 31).
//   State::s: [features / 16][columns / 16] tiles of f32; State::z: [features / 16] tiles
//   operand: [features / 32][columns / 16], the state as pairs of features; the chunk's values follow
//   normaliser: [features / 32]: z in even columns, what rounding took from it in odd ones
#include "engines/cpu/fused/linear/amx_pack.h"

namespace attnbench::cpu::linear {
namespace {

inline constexpr std::int64_t kTileRowBytes = 64;
inline constexpr std::int64_t kAmxChunk = 64;
inline constexpr std::int64_t kKeyBlock = 256;
inline constexpr std::int64_t kMostRows = 64;  ///< of output at a time

/// Pairs of bf16 ones in all columns, or in the even ones.
struct alignas(64) TileOfOnes {
  Cell cells[kTileCells];
  constexpr explicit TileOfOnes(bool even_only) : cells() {
    for (std::int64_t n = 0; n < kTileCells; ++n) cells[n] = even_only && n % 2 == 1 ? 0 : 0x3f803f80U;
  }
};
inline constexpr TileOfOnes kOnes{false};
inline constexpr TileOfOnes kEvenOnes{true};

template <typename Tiles>
struct Amx {
  ATTNBENCH_SIMD static void enter() { Tiles::configure(); }
  ATTNBENCH_SIMD static void leave() { Tiles::release(); }

  ATTNBENCH_SIMD static void update_state(const Geometry& g, std::int64_t count, const Values& values,
                                          const State& state, bool emit, const Scratch& w) {
    const auto units = units_of(count);
    const auto row = g.features / 16 * kTileCells;  // of a unit's keys
    const auto wide = g.columns / 16 * kTileCells;  // of a unit's values, and of 16 features of the state
    for (std::int64_t d = 0; d < g.features / 16; d += 2) {
      const Cell* keys = w.keys + d * kTileCells;
      float* z = state.z + d * kTileCells;
      Tiles::template load<0>(z, kTileRowBytes);
      Tiles::template load<1>(z + kTileCells, kTileRowBytes);
      Tiles::template load<6>(kOnes.cells, kTileRowBytes);
      for (std::int64_t unit = 0; unit < units; ++unit) {
        Tiles::template load<4>(keys + unit * row, kTileRowBytes);
        Tiles::template load<5>(keys + unit * row + kTileCells, kTileRowBytes);
        Tiles::template dot<0, 4, 6>();
        Tiles::template dot<1, 5, 6>();
      }
      Tiles::template store<0>(z, kTileRowBytes);
      Tiles::template store<1>(z + kTileCells, kTileRowBytes);
      for (std::int64_t e = 0; e < g.columns / 16; e += 2) {
        float* s = state.s + d * wide + e * kTileCells;
        const Cell* v = values.cells + e * kTileCells;
        Tiles::template load<0>(s, kTileRowBytes);
        Tiles::template load<1>(s + kTileCells, kTileRowBytes);
        Tiles::template load<2>(s + wide, kTileRowBytes);
        Tiles::template load<3>(s + wide + kTileCells, kTileRowBytes);
        for (std::int64_t unit = 0; unit < units; ++unit) {
          Tiles::template load<4>(keys + unit * row, kTileRowBytes);
          Tiles::template load<6>(v + unit * wide, kTileRowBytes);
          Tiles::template load<7>(v + unit * wide + kTileCells, kTileRowBytes);
          Tiles::template load<5>(keys + unit * row + kTileCells, kTileRowBytes);
          Tiles::template dot<0, 4, 6>();
          Tiles::template dot<1, 4, 7>();
          Tiles::template dot<2, 5, 6>();
          Tiles::template dot<3, 5, 7>();
        }
        Tiles::template store<0>(s, kTileRowBytes);
        Tiles::template store<1>(s + kTileCells, kTileRowBytes);
        Tiles::template store<2>(s + wide, kTileRowBytes);
        Tiles::template store<3>(s + wide + kTileCells, kTileRowBytes);
      }
    }
    if (emit) emit_state(g, state, w);
  }

  ATTNBENCH_SIMD static void emit_state(const Geometry& g, const State& state, const Scratch& w) {
    const auto tiles = g.columns / 16;
    Cell* to = w.operand;
    for (std::int64_t depth = 0; depth < g.features / 32; ++depth) {
      for (std::int64_t e = 0; e < tiles; ++e) {
        for (std::int64_t half = 0; half < 2; ++half) {
          const float* s = state.s + ((2 * depth + half) * tiles + e) * kTileCells;
          ATTNBENCH_UNROLL
          for (int n = 0; n < 8; ++n, s += 32, to += 16) {
            _mm512_store_si512(to, rounded_pairs(_mm512_load_ps(s), _mm512_load_ps(s + 16)));
          }
        }
      }
    }
    for (std::int64_t d = 0; d < g.features; d += 2) {
      const float* z = state.z + d * 16;
      const __m512 first = _mm512_load_ps(z);
      const __m512 second = _mm512_load_ps(z + 16);
      const __m512i high = rounded_pairs(first, second);
      const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000U));
      const __m512 first_rest = _mm512_sub_ps(first, _mm512_castsi512_ps(_mm512_slli_epi32(high, 16)));
      const __m512 second_rest = _mm512_sub_ps(second, _mm512_castsi512_ps(_mm512_and_si512(high, upper)));
      _mm512_store_si512(w.normaliser + d * 8,
                         _mm512_mask_mov_epi32(high, 0xaaaa, rounded_pairs(first_rest, second_rest)));
    }
  }

  ATTNBENCH_SIMD static void score(const Geometry& g, std::int64_t count, const Scratch& w) {
    const auto stride = g.row_cells * 4;
    for (std::int64_t i = 0; i < count; i += kTileRows) {
      const Cell* rows = w.rows + i * g.row_cells;
      // Four tiles of 16 keys at a time, the last being those of the rows themselves.
      for (std::int64_t first = 0; first <= i / 16; first += 4) {
        alignas(64) float scores[4][kTileCells];
        const auto tiles = std::min<std::int64_t>(4, i / 16 + 1 - first);
        Tiles::template zero<0>();
        Tiles::template zero<1>();
        Tiles::template zero<2>();
        Tiles::template zero<3>();
        const Cell* keys = w.transposed + first * kTileCells;
        for (std::int64_t depth = 0; depth < g.features / 32; ++depth, keys += g.chunk / 16 * kTileCells) {
          Tiles::template load<5>(rows + depth * 16, stride);
          multiply<0, 5, 6>(keys);
          if (tiles > 1) multiply<1, 5, 7>(keys + kTileCells);
          if (tiles > 2) multiply<2, 5, 6>(keys + 2 * kTileCells);
          if (tiles > 3) multiply<3, 5, 7>(keys + 3 * kTileCells);
        }
        Tiles::template store<0>(scores[0], kTileRowBytes);
        Tiles::template store<1>(scores[1], kTileRowBytes);
        if (tiles > 2) {
          Tiles::template store<2>(scores[2], kTileRowBytes);
          Tiles::template store<3>(scores[3], kTileRowBytes);
        }
        // In the last tile of the rows, row r sees keys 0 to r.
        if (first + tiles > i / 16) mask_diagonal(scores[tiles - 1]);
        for (std::int64_t tile = 0; tile < tiles; tile += 2) {
          Cell* weights = w.rows + i * g.row_cells + g.features / 2 + (first + tile) / 2 * 16;
          for (int r = 0; r < 16; ++r, weights += g.row_cells) {
            _mm512_store_si512(weights, rounded_pairs(_mm512_load_ps(scores[tile] + r * 16),
                                                      _mm512_load_ps(scores[tile + 1] + r * 16)));
          }
        }
      }
    }
  }

  ATTNBENCH_SIMD static void attend(const Geometry& g, float eps, const OutputRows& o, const Scratch& w) {
    for (std::int64_t first = 0; first < o.count; first += kMostRows) {
      const auto last = std::min(first + kMostRows, o.count);
      if (g.chunk == 0 && g.features <= 64) {
        attend_by_columns(g, eps, o, first, last, w);
      } else {
        attend_by_rows(g, eps, o, first, last, w);
      }
    }
  }

 private:
  /// 16 rows after each other: their operand is loaded again for each.
  ATTNBENCH_SIMD static void attend_by_rows(const Geometry& g, float eps, const OutputRows& o,
                                            std::int64_t first, std::int64_t last, const Scratch& w) {
    const auto stride = g.row_cells * 4;
    const auto wide = g.columns / 16 * kTileCells;
    const auto states = g.features / 32;
    for (auto i = first; i < last; i += kTileRows) {
      const Cell* rows = w.rows + i * g.row_cells;
      // Rows of this tile see no key beyond its last row.
      const auto depths = states + (g.chunk == 0 ? 0 : i / kUnitKeys + 1);
      alignas(64) float sums[4][kTileCells];
      float factors[kTileRows];
      for (std::int64_t e = 0; e < g.columns / 16; e += 4) {
        const bool four = g.columns / 16 - e >= 4;
        const Cell* operand = w.operand + e * kTileCells;
        Tiles::template zero<0>();
        Tiles::template zero<1>();
        Tiles::template zero<2>();
        Tiles::template zero<3>();
        Tiles::template zero<4>();
        for (std::int64_t depth = 0; depth < depths; ++depth, operand += wide) {
          Tiles::template load<5>(rows + depth * 16, stride);
          multiply<0, 5, 6>(operand);
          multiply<1, 5, 7>(operand + kTileCells);
          if (four) {
            multiply<2, 5, 6>(operand + 2 * kTileCells);
            multiply<3, 5, 7>(operand + 3 * kTileCells);
          }
          if (e == 0) multiply<4, 5, 6>(depth < states ? w.normaliser + depth * kTileCells : kEvenOnes.cells);
        }
        if (e == 0) store_factors<4>(eps, factors);
        Tiles::template store<0>(sums[0], kTileRowBytes);
        Tiles::template store<1>(sums[1], kTileRowBytes);
        write_columns(g, o, i, last, e, sums, factors);
        if (!four) continue;
        Tiles::template store<2>(sums[2], kTileRowBytes);
        Tiles::template store<3>(sums[3], kTileRowBytes);
        write_columns(g, o, i, last, e + 2, sums + 2, factors);
      }
    }
  }

  /// The state's tiles of two columns stay for all rows, in tiles 4 to 7: 21 to 23 ns a row where by rows 24.
  ATTNBENCH_SIMD static void attend_by_columns(const Geometry& g, float eps, const OutputRows& o,
                                               std::int64_t first, std::int64_t last, const Scratch& w) {
    const auto stride = g.row_cells * 4;
    const auto wide = g.columns / 16 * kTileCells;
    const bool deep = g.features > 32;
    float factors[kMostRows];
    Tiles::template load<4>(w.normaliser, kTileRowBytes);
    if (deep) Tiles::template load<6>(w.normaliser + kTileCells, kTileRowBytes);
    for (auto i = first; i < last; i += kTileRows) {
      const Cell* rows = w.rows + i * g.row_cells;
      Tiles::template zero<0>();
      Tiles::template load<2>(rows, stride);
      Tiles::template dot<0, 2, 4>();
      if (deep) {
        Tiles::template load<3>(rows + 16, stride);
        Tiles::template dot<0, 3, 6>();
      }
      store_factors<0>(eps, factors + i - first);
    }
    for (std::int64_t e = 0; e < g.columns / 16; e += 2) {
      const Cell* operand = w.operand + e * kTileCells;
      Tiles::template load<4>(operand, kTileRowBytes);
      Tiles::template load<5>(operand + kTileCells, kTileRowBytes);
      if (deep) {
        Tiles::template load<6>(operand + wide, kTileRowBytes);
        Tiles::template load<7>(operand + wide + kTileCells, kTileRowBytes);
      }
      for (auto i = first; i < last; i += kTileRows) {
        const Cell* rows = w.rows + i * g.row_cells;
        alignas(64) float sums[2][kTileCells];
        Tiles::template zero<0>();
        Tiles::template zero<1>();
        Tiles::template load<2>(rows, stride);
        Tiles::template dot<0, 2, 4>();
        Tiles::template dot<1, 2, 5>();
        if (deep) {
          Tiles::template load<3>(rows + 16, stride);
          Tiles::template dot<0, 3, 6>();
          Tiles::template dot<1, 3, 7>();
        }
        Tiles::template store<0>(sums[0], kTileRowBytes);
        Tiles::template store<1>(sums[1], kTileRowBytes);
        write_columns(g, o, i, last, e, sums, factors + i - first);
      }
    }
  }

  /// 1 / (divisor + eps) of 16 rows, whose divisors are a tile's first two columns added.
  template <int Tile>
  ATTNBENCH_SIMD_INLINE static void store_factors(float eps, float* factors) {
    alignas(64) float divisors[kTileCells];
    Tiles::template store<Tile>(divisors, kTileRowBytes);
    for (int r = 0; r < 16; ++r) factors[r] = 1.0F / (divisors[r * 16] + divisors[r * 16 + 1] + eps);
  }

  /// Two tiles of sums times factors, from row i and column tile e on.
  ATTNBENCH_SIMD_INLINE static void write_columns(const Geometry& g, const OutputRows& o, std::int64_t i,
                                                  std::int64_t last, std::int64_t e,
                                                  const float (*sums)[kTileCells], const float* factors) {
    const auto rows = std::min(kTileRows, last - i);
    const __mmask32 inside = first_words(g.head_dim_v - e * 16);
    auto* out = static_cast<std::uint16_t*>(o.data) + i * o.stride + e * 16;
    for (std::int64_t r = 0; r < rows; ++r, out += o.stride) {
      const __m512 factor = _mm512_set1_ps(factors[r]);
      const __m512i words =
          _mm512_packus_epi32(rounded_bits(sums[0] + r * 16, factor), rounded_bits(sums[1] + r * 16, factor));
      _mm512_mask_storeu_epi16(out, inside, words);
    }
  }

  template <int Sum, int A, int B>
  ATTNBENCH_SIMD_INLINE static void multiply(const Cell* right) {
    Tiles::template load<B>(right, kTileRowBytes);
    Tiles::template dot<Sum, A, B>();
  }

  ATTNBENCH_SIMD_INLINE static void mask_diagonal(float* tile) {
    for (int r = 0; r < 16; ++r, tile += 16) {
      const auto seen = static_cast<__mmask16>((2U << r) - 1U);
      _mm512_store_ps(tile, _mm512_maskz_mov_ps(seen, _mm512_load_ps(tile)));
    }
  }

  ATTNBENCH_SIMD_INLINE static __m512i rounded_bits(const float* sums, __m512 factor) {
    const __m512i bits = _mm512_castps_si512(_mm512_mul_ps(_mm512_load_ps(sums), factor));
    return _mm512_srli_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x8000)), 16);
  }
};

template <typename Tiles>
inline constexpr Ops kAmxOps = {.per_cell = 2,
                                .element_bytes = 2,
                                .causal_chunk = kAmxChunk,
                                .key_block = kKeyBlock,
                                .key_rows = 0,
                                .multiple = 32,
                                .normaliser_floats = 16,
                                .enter = Amx<Tiles>::enter,
                                .leave = Amx<Tiles>::leave,
                                .pack_keys = pack_keys,
                                .pack_values = pack_values,
                                .update_state = Amx<Tiles>::update_state,
                                .emit_state = Amx<Tiles>::emit_state,
                                .pack_queries = pack_queries,
                                .score = Amx<Tiles>::score,
                                .attend = Amx<Tiles>::attend};

}  // namespace
}  // namespace attnbench::cpu::linear
