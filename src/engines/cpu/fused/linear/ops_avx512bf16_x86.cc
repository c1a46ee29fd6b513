/// bf16 through vdpbf16ps. One core does one vdpbf16ps a cycle, so a token of D = 64 costs 256 cycles of
/// products at least; all else is arranged to stay small beside that. On one Zen 4 core, a token and head:
/// - exp: a table of 2^(h/16) times (1 + r). Its error of 2.4e-4 is an eighth of what rounding phi to bf16
///   costs; three operations on the FMA units, where a cubic polynomial and scaling take six. phi and its
///   packing take 33 cycles a row.
/// - Rows are interleaved, never transposed, for all products but the scores of a causal chunk.
/// - The denominator is one more dot product a row, of packed rows with z: as a column of the products it
///   would cost a whole vector of columns.
/// - Without prefetching the callers' rows linear took 141 ns and causal_linear 166 ns, with it 112 and 149
///   (32 or 64 rows ahead alike; into the first level 124 and 152).
/// - Causal chunks of 64 keys instead of 32: 170 instead of 152 ns.
#include <algorithm>

#include "engines/cpu/fused/linear/avx512_bf16.h"
#include "engines/cpu/fused/linear/ops.h"

namespace attnbench::cpu::linear {
namespace {

constexpr std::int64_t kChunk = 32;  // one register of bf16 weights a row
constexpr int kRows = 8;

/// R x 16 V sums.
template <int R, int V>
struct Tile {
  __m512 sum[R][V];

  BF16_INLINE void clear() {
#pragma GCC unroll 16
    for (int r = 0; r < R; ++r) {
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) sum[r][v] = _mm512_setzero_ps();
    }
  }

  /// sum[r] += a(r, step) b(step), over `steps` steps; a_row and a_step are a's strides, in cells.
  BF16_INLINE void multiply(const Cell* a, std::int64_t a_row, std::int64_t a_step, const Cell* b,
                            std::int64_t b_step, std::int64_t steps) {
    for (std::int64_t step = 0; step < steps; ++step) {
      __m512bh right[V];
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) right[v] = as_bf16(load(b + 16 * v));
#pragma GCC unroll 16
      for (int r = 0; r < R; ++r) {
        const __m512bh left = as_bf16(_mm512_set1_epi32(static_cast<int>(a[r * a_row])));
#pragma GCC unroll 4
        for (int v = 0; v < V; ++v) sum[r][v] = _mm512_dpbf16_ps(sum[r][v], left, right[v]);
      }
      a += a_step;
      b += b_step;
    }
  }
};

/// Vectors of columns to take next: two, or three where one would be left.
inline int tile_vectors(std::int64_t left) { return left == 3 || left == 1 ? static_cast<int>(left) : 2; }

template <int V>
BF16_INLINE void update_tile(const Geometry& g, std::int64_t steps, const Cell* keys, const Cell* values,
                             float* s, Cell* emitted) {
  Tile<kRows, V> tile;
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) tile.sum[r][v] = _mm512_loadu_ps(s + r * g.columns + 16 * v);
  }
  tile.multiply(keys, 1, g.features, values, g.columns, steps);
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) _mm512_storeu_ps(s + r * g.columns + 16 * v, tile.sum[r][v]);
  }
  if (emitted == nullptr) return;
#pragma GCC unroll 4
  for (int r = 0; r < kRows; r += 2) {
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      _mm512_storeu_si512(emitted + r / 2 * g.columns + 16 * v, pair(tile.sum[r][v], tile.sum[r + 1][v]));
    }
  }
}

/// z as bf16 and what rounding took from it as bf16: z alone would put one error into every row's divisor.
BF16_TARGET void emit_normaliser(const Geometry& g, const float* z, Cell* to) {
  auto* high = reinterpret_cast<std::uint16_t*>(to);
  auto* low = reinterpret_cast<std::uint16_t*>(to + g.row_cells);
  for (std::int64_t d = 0; d < g.features; d += 16) {
    const __m512 exact = _mm512_loadu_ps(z + d);
    const __m256i rounded = (__m256i)_mm512_cvtneps_pbh(exact);
    const __m512 back = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(rounded), 16));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(high + d), rounded);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(low + d),
                        (__m256i)_mm512_cvtneps_pbh(_mm512_sub_ps(exact, back)));
  }
  constexpr std::uint16_t kOne = 0x3f80;
  const auto width = 2 * g.row_cells;
  std::fill(high + g.features, high + g.features + g.chunk, kOne);
  std::fill(high + g.features + g.chunk, high + width, std::uint16_t{0});
  std::fill(low + g.features, low + width, std::uint16_t{0});
}

BF16_TARGET void pack_keys(const Geometry& g, const InputRows& k, const Scratch& w) {
  map_rows(k, g.head_dim_qk, g.row_cells, w.key_rows);
  interleave_rows({w.key_rows, 2 * g.row_cells, k.count}, false, g.features, g.features, w.keys);
  if (g.chunk == 0) return;
  for (std::int64_t j = 0; j < k.count; j += 16) {
    for (std::int64_t cell = 0; cell < g.features / 2; cell += 16) {
      transpose(w.key_rows + j * g.row_cells + cell, g.row_cells, w.transposed + cell * g.chunk + j, g.chunk);
    }
  }
}

BF16_TARGET Values pack_values(const Geometry& g, const InputRows& v, bool /*may_stay*/, Cell* to) {
  interleave_rows(v, true, g.head_dim_v, g.columns, to);
  return {to, g.columns};
}

BF16_TARGET void pack_queries(const Geometry& g, const InputRows& q, const Scratch& w) {
  map_rows(q, g.head_dim_qk, g.row_cells, w.rows);
}

BF16_TARGET void update_state(const Geometry& g, std::int64_t count, const Values& values, const State& state,
                              bool emit, const Scratch& w) {
  const auto steps = (count + 1) / 2;
  const __m512bh ones = as_bf16(_mm512_set1_epi32(0x3f803f80));
  for (std::int64_t d = 0; d < g.features; d += 16) {
    __m512 sums[2] = {_mm512_loadu_ps(state.z + d), _mm512_setzero_ps()};
    for (std::int64_t step = 0; step < steps; ++step) {
      sums[step & 1] = _mm512_dpbf16_ps(sums[step & 1], as_bf16(load(w.keys + step * g.features + d)), ones);
    }
    _mm512_storeu_ps(state.z + d, _mm512_add_ps(sums[0], sums[1]));
  }
  for (std::int64_t e = 0; e < g.columns;) {
    const int vectors = tile_vectors((g.columns - e) / 16);
    for (std::int64_t d = 0; d < g.features; d += kRows) {
      float* s = state.s + d * g.columns + e;
      Cell* emitted = emit ? w.operand + d / 2 * g.columns + e : nullptr;
      if (vectors == 1) update_tile<1>(g, steps, w.keys + d, values.cells + e, s, emitted);
      if (vectors == 2) update_tile<2>(g, steps, w.keys + d, values.cells + e, s, emitted);
      if (vectors == 3) update_tile<3>(g, steps, w.keys + d, values.cells + e, s, emitted);
    }
    e += 16 * vectors;
  }
  if (emit) emit_normaliser(g, state.z, w.normaliser);
}

BF16_TARGET void emit_state(const Geometry& g, const State& state, const Scratch& w) {
  for (std::int64_t d = 0; d < g.features; d += 2) {
    const float* s = state.s + d * g.columns;
    for (std::int64_t e = 0; e < g.columns; e += 16) {
      _mm512_storeu_si512(w.operand + d / 2 * g.columns + e,
                          pair(_mm512_loadu_ps(s + e), _mm512_loadu_ps(s + g.columns + e)));
    }
  }
  emit_normaliser(g, state.z, w.normaliser);
}

/// Scores of kRows rows from `i` on with the chunk's first 16 V keys, into all its 32 weights.
template <int V>
BF16_INLINE void score_tile(const Geometry& g, std::int64_t i, const Scratch& w) {
  Tile<kRows, V> tile;
  tile.clear();
  tile.multiply(w.rows + i * g.row_cells, g.row_cells, 1, w.transposed, g.chunk, g.features / 2);
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    const __m512i weights =
        (__m512i)_mm512_cvtne2ps_pbh(V == 2 ? tile.sum[r][V - 1] : _mm512_setzero_ps(), tile.sum[r][0]);
    _mm512_storeu_si512(w.rows + (i + r) * g.row_cells + g.features / 2,
                        _mm512_maskz_mov_epi16(first_words(i + r + 1), weights));
  }
}

BF16_TARGET void score(const Geometry& g, std::int64_t count, const Scratch& w) {
  for (std::int64_t i = 0; i < count; i += kRows) {
    if (i + kRows > 16) {
      score_tile<2>(g, i, w);
    } else {
      score_tile<1>(g, i, w);
    }
  }
}

/// 1 / (row . normaliser + eps) of 16 rows.
BF16_INLINE __m512 reciprocals(const Geometry& g, float eps, const Cell* rows, const Cell* normaliser) {
  __m512 sums[16];
#pragma GCC unroll 16
  for (int r = 0; r < 16; ++r) {
    __m512 high = _mm512_setzero_ps();
    __m512 low = _mm512_setzero_ps();
    for (std::int64_t cell = 0; cell < g.row_cells; cell += 16) {
      const __m512bh row = as_bf16(load(rows + r * g.row_cells + cell));
      high = _mm512_dpbf16_ps(high, row, as_bf16(load(normaliser + cell)));
      low = _mm512_dpbf16_ps(low, row, as_bf16(load(normaliser + g.row_cells + cell)));
    }
    sums[r] = _mm512_add_ps(high, low);
  }
  return _mm512_div_ps(_mm512_set1_ps(1.0f), _mm512_add_ps(sum_lanes(sums), _mm512_set1_ps(eps)));
}

template <int V>
BF16_INLINE void attend_tile(const Geometry& g, const Cell* rows, const Cell* operand, std::int64_t steps,
                             const float* factors, std::int64_t count, std::int64_t width, std::uint16_t* o,
                             std::int64_t o_stride) {
  Tile<kRows, V> tile;
  tile.clear();
  tile.multiply(rows, g.row_cells, 1, operand, g.columns, steps);
#pragma GCC unroll 8
  for (int r = 0; r < kRows; ++r) {
    if (r >= count) return;
    const __m512 factor = _mm512_set1_ps(factors[r]);
    std::uint16_t* out = o + r * o_stride;
#pragma GCC unroll 2
    for (int v = 0; v < V; v += 2) {
      const __m512 first = _mm512_mul_ps(tile.sum[r][v], factor);
      if (v + 1 < V) {
        const __m512i words =
            (__m512i)_mm512_cvtne2ps_pbh(_mm512_mul_ps(tile.sum[r][v + 1 < V ? v + 1 : v], factor), first);
        if (width - 16 * v >= 32) {
          _mm512_storeu_si512(out + 16 * v, words);
        } else {
          _mm512_mask_storeu_epi16(out + 16 * v, first_words(width - 16 * v), words);
        }
      } else {
        const __m256i words = (__m256i)_mm512_cvtneps_pbh(first);
        _mm256_mask_storeu_epi16(out + 16 * v, static_cast<__mmask16>(first_words(width - 16 * v)), words);
      }
    }
  }
}

BF16_TARGET void attend(const Geometry& g, float eps, const OutputRows& o, const Scratch& w) {
  alignas(64) float factors[16];
  for (std::int64_t i = 0; i < o.count; i += kRows) {
    const Cell* rows = w.rows + i * g.row_cells;
    if (i % 16 == 0) _mm512_store_ps(factors, reciprocals(g, eps, rows, w.normaliser));
    // Rows of this tile see no key beyond its last row.
    const auto keys = g.chunk == 0 ? 0 : std::min<std::int64_t>(i + kRows, o.count);
    const auto steps = g.features / 2 + (keys + 1) / 2;
    const auto count = o.count - i;
    for (std::int64_t e = 0; e < g.columns;) {
      const int vectors = tile_vectors((g.columns - e) / 16);
      auto* out = static_cast<std::uint16_t*>(o.data) + i * o.stride + e;
      const float* f = factors + i % 16;
      const auto width = g.head_dim_v - e;
      if (vectors == 1) attend_tile<1>(g, rows, w.operand + e, steps, f, count, width, out, o.stride);
      if (vectors == 2) attend_tile<2>(g, rows, w.operand + e, steps, f, count, width, out, o.stride);
      if (vectors == 3) attend_tile<3>(g, rows, w.operand + e, steps, f, count, width, out, o.stride);
      e += 16 * vectors;
    }
  }
}

}  // namespace

const Ops& ops_avx512bf16() {
  static const Ops ops = {.per_cell = 2,
                          .element_bytes = 2,
                          .causal_chunk = kChunk,
                          .pack_keys = pack_keys,
                          .pack_values = pack_values,
                          .update_state = update_state,
                          .emit_state = emit_state,
                          .pack_queries = pack_queries,
                          .score = score,
                          .attend = attend};
  return ops;
}

}  // namespace attnbench::cpu::linear
