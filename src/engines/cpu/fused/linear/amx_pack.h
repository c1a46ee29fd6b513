#pragma once

// phi(k), v and phi(q) as operands of tile products, all tiles of 256 cells: 16 rows of 16 cells. Keys are
// taken in units of 32, whose tiles hold keys j and 16 + j as pair j: so no product needs its pairs shuffled.
//   keys:       [unit][features / 16], a row a feature: left operand of the state's update
//   transposed: [features / 32][chunk / 16], a row a pair of features: right operand of the scores
//   values:     [unit][columns / 16], a row a pair of keys: right operand of the update and of the weights
//   rows:       [query][row_cells]: left operand, its tiles are 16 rows of 64 bytes
// Of 32 columns the first tile has those whose number modulo 8 is below 4 and the second the others, as
// unpacking leaves them and packing restores them.
#include <algorithm>

#include "engines/cpu/fused/avx512.h"
#include "engines/cpu/fused/linear/exp2_table.h"
#include "engines/cpu/fused/linear/ops.h"

namespace attnbench::cpu::linear {
namespace {

inline constexpr std::int64_t kUnitKeys = 32;
inline constexpr std::int64_t kTileRows = 16;
inline constexpr std::int64_t kTileCells = 256;
/// Features or columns of a packed row handled at once: one register of bf16.
inline constexpr std::int64_t kWords = 32;

inline std::int64_t units_of(std::int64_t keys) { return (keys + kUnitKeys - 1) / kUnitKeys; }

/// Bits of elu(x) + 1, with half a bf16 ulp added: its upper half is the rounded bf16. NaN stays NaN.
ATTNBENCH_SIMD_INLINE __m512i phi(__m512 x) {
  const __m512 magic = _mm512_set1_ps(0x1.8p23F);
  const __m512 low = _mm512_max_ps(_mm512_set1_ps(kUnderflow), x);
  const __m512 shifted = _mm512_fmadd_ps(low, _mm512_set1_ps(0x1.715476p+4F), magic);  // 16 / ln 2
  const __m512 rest =
      _mm512_fnmadd_ps(_mm512_sub_ps(shifted, magic), _mm512_set1_ps(0x1.62e43p-5F), low);  // ln 2 / 16
  const __m512i n = _mm512_castps_si512(shifted);
  const __m512 power = _mm512_castsi512_ps(_mm512_add_epi32(
      _mm512_permutexvar_epi32(n, _mm512_load_si512(kExp2Table.data())), _mm512_slli_epi32(n, 19)));
  // Above zero this is of no use, and may be infinite.
  const __m512 exp = _mm512_fmadd_ps(power, rest, power);
  const __m512 value = _mm512_mask_add_ps(exp, _mm512_cmp_ps_mask(x, _mm512_setzero_ps(), _CMP_GT_OQ), x,
                                          _mm512_set1_ps(1.0F));
  return _mm512_add_epi32(_mm512_castps_si512(value), _mm512_set1_epi32(0x8000));
}
ATTNBENCH_SIMD_INLINE __m512i phi_of_first(__m512i pairs) {
  return phi(_mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16)));
}
ATTNBENCH_SIMD_INLINE __m512i phi_of_second(__m512i pairs) {
  const __m512i upper = _mm512_set1_epi32(static_cast<int>(0xffff0000U));
  return phi(_mm512_castsi512_ps(_mm512_and_si512(pairs, upper)));
}

/// The upper halves of `first` and `second` as pairs.
ATTNBENCH_SIMD_INLINE __m512i upper_halves(__m512i first, __m512i second) {
  const __m512i to_lower = _mm512_set4_epi32(0x0f0e0f0e, 0x0b0a0b0a, 0x07060706, 0x03020302);
  return _mm512_mask_shuffle_epi8(second, 0x3333333333333333U, first, to_lower);
}
/// Pairs of `first` and `second`, rounded to bf16, ties away from zero.
ATTNBENCH_SIMD_INLINE __m512i rounded_pairs(__m512 first, __m512 second) {
  const __m512i half = _mm512_set1_epi32(0x8000);
  return upper_halves(_mm512_add_epi32(_mm512_castps_si512(first), half),
                      _mm512_add_epi32(_mm512_castps_si512(second), half));
}

ATTNBENCH_SIMD_INLINE __mmask32 first_words(std::int64_t count) {
  if (count >= kWords) return 0xffffffffU;
  return count <= 0 ? 0 : (1U << count) - 1U;
}

/// Rows come in bursts between products, too far apart for the hardware to fetch them in time.
inline constexpr std::int64_t kRowsAhead = 64;
ATTNBENCH_SIMD_INLINE void prefetch(const std::uint16_t* from) {
  _mm_prefetch(reinterpret_cast<const char*>(from), _MM_HINT_T1);
}

/// 32 words of a row from column c on; those beyond `width` are -inf, so that phi of them is zero.
ATTNBENCH_SIMD_INLINE __m512i load_arguments(const std::uint16_t* row, std::int64_t c, std::int64_t width) {
  if (width - c >= kWords) [[likely]] {
    return _mm512_loadu_si512(row + c);
  }
  const __m512i minus_infinity = _mm512_set1_epi16(static_cast<short>(0xff80));
  return _mm512_mask_loadu_epi16(minus_infinity, first_words(width - c), row + c);
}

/// 16 rows of 32 words as pairs of words: to[n] holds pair n of each row. Rows beyond `count` are -inf.
ATTNBENCH_SIMD_INLINE void transpose_arguments(const std::uint16_t* row, std::int64_t stride,
                                               std::int64_t count, std::int64_t c, std::int64_t width,
                                               __m512i* to) {
  __m512i words[16];
  if (count >= kTileRows && width - c >= kWords) [[likely]] {
    ATTNBENCH_UNROLL
    for (int r = 0; r < 16; ++r) {
      prefetch(row + (r + kRowsAhead) * stride + c);
      words[r] = _mm512_loadu_si512(row + r * stride + c);
    }
  } else {
    ATTNBENCH_UNROLL
    for (int r = 0; r < 16; ++r) {
      words[r] = r < count ? load_arguments(row + r * stride, c, width)
                           : _mm512_set1_epi16(static_cast<short>(0xff80));
    }
  }
  fused::transpose_16x16(words);
  ATTNBENCH_UNROLL
  for (int r = 0; r < 16; ++r) _mm512_store_si512(to + r, words[r]);
}

/// Where `Scored`, also into `transposed`.
template <bool Scored>
ATTNBENCH_SIMD void pack_key_tiles(const Geometry& g, const InputRows& k, const Scratch& w) {
  const auto units = units_of(k.count);
  for (std::int64_t unit = 0; unit < units; ++unit) {
    const auto* row = static_cast<const std::uint16_t*>(k.data) + unit * kUnitKeys * k.stride;
    const auto left = k.count - unit * kUnitKeys;
    for (std::int64_t d = 0; d < g.features; d += kWords) {
      alignas(64) __m512i raw[2][16];
      transpose_arguments(row, k.stride, left, d, g.head_dim_qk, raw[0]);
      transpose_arguments(row + kTileRows * k.stride, k.stride, left - kTileRows, d, g.head_dim_qk, raw[1]);
      Cell* keys = w.keys + (unit * g.features + d) * kTileRows;
      Cell* scored = Scored ? w.transposed + (d / kWords * (g.chunk / 16) + 2 * unit) * kTileCells : nullptr;
      for (int n = 0; n < 16; ++n) {
        const __m512i first[2] = {phi_of_first(raw[0][n]), phi_of_first(raw[1][n])};
        const __m512i second[2] = {phi_of_second(raw[0][n]), phi_of_second(raw[1][n])};
        _mm512_store_si512(keys + 2 * n * kTileRows, upper_halves(first[0], first[1]));
        _mm512_store_si512(keys + (2 * n + 1) * kTileRows, upper_halves(second[0], second[1]));
        if constexpr (Scored) {
          _mm512_store_si512(scored + n * kTileRows, upper_halves(first[0], second[0]));
          _mm512_store_si512(scored + kTileCells + n * kTileRows, upper_halves(first[1], second[1]));
        }
      }
    }
  }
}

ATTNBENCH_SIMD void pack_keys(const Geometry& g, const InputRows& k, const Scratch& w) {
  if (g.chunk == 0) {
    pack_key_tiles<false>(g, k, w);
  } else {
    pack_key_tiles<true>(g, k, w);
  }
}

ATTNBENCH_SIMD Values pack_values(const Geometry& g, const InputRows& v, bool /*may_stay*/, Cell* to) {
  const Values packed{to, g.columns};
  const auto units = units_of(v.count);
  for (std::int64_t unit = 0; unit < units; ++unit) {
    const auto* row = static_cast<const std::uint16_t*>(v.data) + unit * kUnitKeys * v.stride;
    const auto left = v.count - unit * kUnitKeys;
    for (std::int64_t c = 0; c < g.columns; c += kWords, to += 2 * kTileCells) {
      const __mmask32 inside = first_words(g.head_dim_v - c);
      for (std::int64_t j = 0; j < kTileRows; ++j) {
        const auto* first = row + j * v.stride + c;
        prefetch(first + kRowsAhead * v.stride);
        prefetch(first + (kRowsAhead + kTileRows) * v.stride);
        const __m512i a = _mm512_maskz_loadu_epi16(j < left ? inside : 0, first);
        const __m512i b =
            _mm512_maskz_loadu_epi16(j + kTileRows < left ? inside : 0, first + kTileRows * v.stride);
        _mm512_store_si512(to + j * kTileRows, _mm512_unpacklo_epi16(a, b));
        _mm512_store_si512(to + kTileCells + j * kTileRows, _mm512_unpackhi_epi16(a, b));
      }
    }
  }
  return packed;
}

ATTNBENCH_SIMD void pack_queries(const Geometry& g, const InputRows& q, const Scratch& w) {
  for (std::int64_t i = 0; i < q.count; ++i) {
    const auto* row = static_cast<const std::uint16_t*>(q.data) + i * q.stride;
    Cell* to = w.rows + i * g.row_cells;
    for (std::int64_t d = 0; d < g.features; d += kWords, to += kTileRows) {
      prefetch(row + kRowsAhead * q.stride + d);
      const __m512i words = load_arguments(row, d, g.head_dim_qk);
      _mm512_store_si512(to, upper_halves(phi_of_first(words), phi_of_second(words)));
    }
  }
}

}  // namespace
}  // namespace attnbench::cpu::linear
