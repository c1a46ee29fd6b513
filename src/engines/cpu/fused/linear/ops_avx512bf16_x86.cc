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
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12's own header leaves don't-care operands uninitialised, and warns about it wherever it is inlined.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "engines/cpu/fused/linear/exp2_table.h"
#include "engines/cpu/fused/linear/ops.h"

#define BF16_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#define BF16_INLINE BF16_TARGET __attribute__((always_inline)) inline

namespace attnbench::cpu::linear {
namespace {

constexpr std::int64_t kChunk = 32;  // one register of bf16 weights a row
constexpr int kRows = 8;

/// The words of two registers' worth of pairs: word 2 i from i, word 2 i + 1 from i + `other`.
constexpr std::array<std::uint16_t, 32> interleaved(std::uint16_t first, std::uint16_t other) {
  std::array<std::uint16_t, 32> words{};
  for (std::size_t i = 0; i < 16; ++i) {
    words[2 * i] = static_cast<std::uint16_t>(first + i);
    words[2 * i + 1] = static_cast<std::uint16_t>(first + other + i);
  }
  return words;
}
alignas(64) constexpr auto kHalves = interleaved(0, 16);  // both halves of one register
alignas(64) constexpr auto kLow = interleaved(0, 32);     // low halves of two registers
alignas(64) constexpr auto kHigh = interleaved(16, 32);   // high halves of two registers

BF16_INLINE __m512i load(const void* from) { return _mm512_loadu_si512(from); }
BF16_INLINE __m512bh as_bf16(__m512i cells) { return (__m512bh)cells; }

/// Cells (lo, hi): lane i holds lo[i] and hi[i], rounded.
BF16_INLINE __m512i pair(__m512 lo, __m512 hi) {
  return _mm512_permutexvar_epi16(load(kHalves.data()), (__m512i)_mm512_cvtne2ps_pbh(hi, lo));
}

/// elu(x) + 1 = max(x, 0) + exp(min(x, 0)). NaN stays NaN.
BF16_INLINE __m512 phi(__m512 x) {
  const __m512 zero = _mm512_setzero_ps();
  const __m512 magic = _mm512_set1_ps(0x1.8p23f);
  const __m512 low = _mm512_max_ps(_mm512_min_ps(x, zero), _mm512_set1_ps(kUnderflow));
  const __m512 shifted = _mm512_fmadd_ps(low, _mm512_set1_ps(0x1.715476p+4f), magic);  // 16 / ln 2
  const __m512 rest =
      _mm512_fnmadd_ps(_mm512_sub_ps(shifted, magic), _mm512_set1_ps(0x1.62e43p-5f), low);  // ln 2 / 16
  const __m512i n = _mm512_castps_si512(shifted);
  const __m512 power = _mm512_castsi512_ps(
      _mm512_add_epi32(_mm512_permutexvar_epi32(n, load(kExp2Table.data())), _mm512_slli_epi32(n, 19)));
  return _mm512_add_ps(_mm512_max_ps(zero, x), _mm512_fmadd_ps(power, rest, power));
}

/// The first `count` (at most 32) bf16 of a row, zero beyond.
BF16_INLINE __mmask32 first_words(std::int64_t count) {
  return count >= 32 ? 0xffffffffu : (1u << count) - 1u;
}
BF16_INLINE __m512i load_words(const std::uint16_t* from, std::int64_t count) {
  return count >= 32 ? load(from) : _mm512_maskz_loadu_epi16(first_words(count), from);
}

/// Rows come in bursts between products, too far apart for the hardware to fetch them in time. Into the
/// second level: the first has no room.
constexpr std::int64_t kRowsAhead = 64;
BF16_INLINE void prefetch(const std::uint16_t* from) {
  _mm_prefetch(reinterpret_cast<const char*>(from), _MM_HINT_T1);
}

/// phi of rows, as bf16; padding is zero up to a multiple of 32.
BF16_TARGET void map_rows(const InputRows& x, std::int64_t width, std::int64_t row_cells, Cell* to) {
  for (std::int64_t i = 0; i < x.count; ++i) {
    const auto* row = static_cast<const std::uint16_t*>(x.data) + i * x.stride;
    for (std::int64_t d = 0; d < width; d += 32) {
      prefetch(row + kRowsAhead * x.stride + d);
      const __m512i words = load_words(row + d, width - d);
      const __m512 even = phi(_mm512_castsi512_ps(_mm512_slli_epi32(words, 16)));
      const __m512 odd =
          phi(_mm512_castsi512_ps(_mm512_and_si512(words, _mm512_set1_epi32(static_cast<int>(0xffff0000u)))));
      __m512i mapped = pair(even, odd);
      if (width - d < 32) mapped = _mm512_maskz_mov_epi16(first_words(width - d), mapped);
      _mm512_storeu_si512(to + i * row_cells + d / 2, mapped);
    }
  }
}

/// Cell (step, d) holds rows 2 step and 2 step + 1 of column d; a missing last row counts as zero.
BF16_TARGET void interleave_rows(const InputRows& x, bool from_caller, std::int64_t width, std::int64_t cells,
                                 Cell* to) {
  for (std::int64_t i = 0; i < x.count; i += 2) {
    const auto* row = static_cast<const std::uint16_t*>(x.data) + i * x.stride;
    const bool both = i + 1 < x.count;
    for (std::int64_t d = 0; d < width; d += 32) {
      if (from_caller) {
        prefetch(row + kRowsAhead * x.stride + d);
        prefetch(row + (kRowsAhead + 1) * x.stride + d);
      }
      const __m512i first = load_words(row + d, width - d);
      const __m512i second = both ? load_words(row + x.stride + d, width - d) : _mm512_setzero_si512();
      Cell* out = to + i / 2 * cells + d;
      _mm512_storeu_si512(out, _mm512_permutex2var_epi16(first, load(kLow.data()), second));
      if (d + 16 < cells) {
        _mm512_storeu_si512(out + 16, _mm512_permutex2var_epi16(first, load(kHigh.data()), second));
      }
    }
  }
}

/// 16 x 16 cells.
BF16_INLINE void transpose(const Cell* from, std::int64_t from_stride, Cell* to, std::int64_t to_stride) {
  __m512i a[16];
  __m512i b[16];
#pragma GCC unroll 16
  for (int i = 0; i < 16; ++i) a[i] = load(from + i * from_stride);
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    b[2 * i] = _mm512_unpacklo_epi32(a[2 * i], a[2 * i + 1]);
    b[2 * i + 1] = _mm512_unpackhi_epi32(a[2 * i], a[2 * i + 1]);
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    a[4 * i] = _mm512_unpacklo_epi64(b[4 * i], b[4 * i + 2]);
    a[4 * i + 1] = _mm512_unpackhi_epi64(b[4 * i], b[4 * i + 2]);
    a[4 * i + 2] = _mm512_unpacklo_epi64(b[4 * i + 1], b[4 * i + 3]);
    a[4 * i + 3] = _mm512_unpackhi_epi64(b[4 * i + 1], b[4 * i + 3]);
  }
#pragma GCC unroll 4
  for (int c = 0; c < 4; ++c) {
    const __m512i low01 = _mm512_shuffle_i32x4(a[c], a[4 + c], 0x88);
    const __m512i high01 = _mm512_shuffle_i32x4(a[c], a[4 + c], 0xdd);
    const __m512i low23 = _mm512_shuffle_i32x4(a[8 + c], a[12 + c], 0x88);
    const __m512i high23 = _mm512_shuffle_i32x4(a[8 + c], a[12 + c], 0xdd);
    _mm512_storeu_si512(to + c * to_stride, _mm512_shuffle_i32x4(low01, low23, 0x88));
    _mm512_storeu_si512(to + (c + 4) * to_stride, _mm512_shuffle_i32x4(high01, high23, 0x88));
    _mm512_storeu_si512(to + (c + 8) * to_stride, _mm512_shuffle_i32x4(low01, low23, 0xdd));
    _mm512_storeu_si512(to + (c + 12) * to_stride, _mm512_shuffle_i32x4(high01, high23, 0xdd));
  }
}

/// Sums of 16 registers' lanes, one a lane.
BF16_INLINE __m512 sum_lanes(const __m512 (&rows)[16]) {
  __m512 a[8];
  __m512 b[4];
#pragma GCC unroll 8
  for (int i = 0; i < 8; ++i) {
    a[i] = _mm512_add_ps(_mm512_unpacklo_ps(rows[2 * i], rows[2 * i + 1]),
                         _mm512_unpackhi_ps(rows[2 * i], rows[2 * i + 1]));
  }
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    const __m512d x = _mm512_castps_pd(a[2 * i]);
    const __m512d y = _mm512_castps_pd(a[2 * i + 1]);
    b[i] =
        _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(x, y)), _mm512_castpd_ps(_mm512_unpackhi_pd(x, y)));
  }
  const __m512 low =
      _mm512_add_ps(_mm512_shuffle_f32x4(b[0], b[1], 0x88), _mm512_shuffle_f32x4(b[0], b[1], 0xdd));
  const __m512 high =
      _mm512_add_ps(_mm512_shuffle_f32x4(b[2], b[3], 0x88), _mm512_shuffle_f32x4(b[2], b[3], 0xdd));
  return _mm512_add_ps(_mm512_shuffle_f32x4(low, high, 0x88), _mm512_shuffle_f32x4(low, high, 0xdd));
}

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
