#pragma once

// Rows of bf16 as operands of vdpbf16ps: phi of them, their interleaving and transposition.
#if defined(__GNUC__) && !defined(__clang__)
// GCC 12's own header leaves don't-care operands uninitialised, and warns about it wherever it is inlined.
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#pragma GCC diagnostic ignored "-Wuninitialized"
#endif
#include <immintrin.h>

#include <array>
#include <cstdint>

#include "engines/cpu/fused/linear/exp2_table.h"
#include "engines/cpu/fused/linear/ops.h"

#define BF16_TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#define BF16_INLINE BF16_TARGET __attribute__((always_inline)) inline

namespace attnbench::cpu::linear {
namespace {

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

}  // namespace
}  // namespace attnbench::cpu::linear
