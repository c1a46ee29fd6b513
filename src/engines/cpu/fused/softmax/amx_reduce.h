#pragma once

// Sixteen registers, one a row, to one whose lanes are the rows.
#include "engines/cpu/fused/avx512.h"
#include "engines/cpu/fused/softmax/amx_unit.h"

namespace attnbench::cpu::fused {
namespace {

/// Lane r of the result: the reduction by `join` of rows[r].
template <typename Join>
ATTNBENCH_SIMD_INLINE __m512 reduce_rows(const __m512 (&rows)[kTileRows], Join join) {
  __m512 t[8];
  ATTNBENCH_UNROLL
  for (int i = 0; i < 8; ++i) {
    t[i] = join(_mm512_unpacklo_ps(rows[2 * i], rows[2 * i + 1]),
                _mm512_unpackhi_ps(rows[2 * i], rows[2 * i + 1]));
  }
  ATTNBENCH_UNROLL
  for (int i = 0; i < 4; ++i) {
    const __m512d a = _mm512_castps_pd(t[2 * i]);
    const __m512d b = _mm512_castps_pd(t[2 * i + 1]);
    t[i] = join(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)), _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
  }
  // t[i] holds rows 4 i to 4 i + 3 in each 128-bit part.
  ATTNBENCH_UNROLL
  for (int i = 0; i < 2; ++i) {
    t[i] = join(_mm512_shuffle_f32x4(t[2 * i], t[2 * i + 1], 0x88),
                _mm512_shuffle_f32x4(t[2 * i], t[2 * i + 1], 0xdd));
  }
  return join(_mm512_shuffle_f32x4(t[0], t[1], 0x88), _mm512_shuffle_f32x4(t[0], t[1], 0xdd));
}
struct Larger {
  ATTNBENCH_SIMD_INLINE __m512 operator()(__m512 a, __m512 b) const { return _mm512_max_ps(a, b); }
};
struct Sum {
  ATTNBENCH_SIMD_INLINE __m512 operator()(__m512 a, __m512 b) const { return _mm512_add_ps(a, b); }
};

}  // namespace
}  // namespace attnbench::cpu::fused
