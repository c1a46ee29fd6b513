#pragma once

// Helpers shared by the AVX-512 kernels. Including files name their instruction sets first:
//   #define ATTNBENCH_TARGET "avx512f,..."
// No file is compiled with -m flags, so every function that holds intrinsics carries the target attribute and
// internal linkage: the linker cannot pick one of these copies for code that runs on a smaller CPU.
//
// GCC 12 reports the deliberately undefined operands inside its own intrinsics.
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wuninitialized"
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#endif
#include <immintrin.h>
#if defined(__GNUC__) && !defined(__clang__)
#pragma GCC diagnostic pop
#endif

#include <cstdint>

#include "engines/cpu/fused/exp2_coefficients.h"

#define ATTNBENCH_SIMD __attribute__((target(ATTNBENCH_TARGET)))
#define ATTNBENCH_SIMD_INLINE __attribute__((target(ATTNBENCH_TARGET), always_inline)) inline
#if defined(__clang__)
#define ATTNBENCH_UNROLL _Pragma("clang loop unroll(full)")
#else
#define ATTNBENCH_UNROLL _Pragma("GCC unroll 32")
#endif

namespace attnbench::cpu::fused {
namespace {

/// 2^x for x <= 30, exactly 0 from -127 down: the exponent takes away all that the polynomial, 1 there, has.
/// Hidden keys must weigh nothing for the products' sake too: with 2^-125 those with V were denormals, and
/// swa(w=32) in f32 at N = 1024 took 2.37 ms on 16 cores of a Xeon instead of 0.16. The integer part moves
/// into the exponent by adding it there: an addition and a shift run beside products on other ports, where
/// scalef costs two cycles and roundscale one.
template <int Degree>
ATTNBENCH_SIMD_INLINE __m512 exp2_of(__m512 x) {
  const __m512 magic = _mm512_set1_ps(12582912.0F);  // 1.5 * 2^23: the sum's low bits are round(x)
  x = _mm512_max_ps(_mm512_set1_ps(-127.0F), x);     // in this order NaN stays NaN
  const __m512 shifted = _mm512_add_ps(x, magic);
  const __m512 f = _mm512_sub_ps(x, _mm512_sub_ps(shifted, magic));
  constexpr auto& c = Exp2Coefficients<Degree>::c;
  __m512 p = _mm512_set1_ps(c[Degree]);
  ATTNBENCH_UNROLL
  for (int k = Degree - 1; k >= 0; --k) p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(c[k]));
  return _mm512_castsi512_ps(
      _mm512_add_epi32(_mm512_castps_si512(p), _mm512_slli_epi32(_mm512_castps_si512(shifted), 23)));
}

/// rows[r] lane c becomes rows[c] lane r.
ATTNBENCH_SIMD_INLINE void transpose_16x16(__m512i (&rows)[16]) {
  __m512i t[16];
  ATTNBENCH_UNROLL
  for (int i = 0; i < 16; i += 2) {
    t[i] = _mm512_unpacklo_epi32(rows[i], rows[i + 1]);
    t[i + 1] = _mm512_unpackhi_epi32(rows[i], rows[i + 1]);
  }
  ATTNBENCH_UNROLL
  for (int i = 0; i < 16; i += 4) {
    rows[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
    rows[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
    rows[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
    rows[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
  }
  // rows[4 a + b] now holds, in its four 128-bit parts p, column 4 p + b of source rows 4 a .. 4 a + 3.
  ATTNBENCH_UNROLL
  for (int b = 0; b < 4; ++b) {
    t[b] = _mm512_shuffle_i32x4(rows[b], rows[4 + b], 0x88);
    t[4 + b] = _mm512_shuffle_i32x4(rows[b], rows[4 + b], 0xdd);
    t[8 + b] = _mm512_shuffle_i32x4(rows[8 + b], rows[12 + b], 0x88);
    t[12 + b] = _mm512_shuffle_i32x4(rows[8 + b], rows[12 + b], 0xdd);
  }
  ATTNBENCH_UNROLL
  for (int b = 0; b < 4; ++b) {
    rows[b] = _mm512_shuffle_i32x4(t[b], t[8 + b], 0x88);
    rows[8 + b] = _mm512_shuffle_i32x4(t[b], t[8 + b], 0xdd);
    rows[4 + b] = _mm512_shuffle_i32x4(t[4 + b], t[12 + b], 0x88);
    rows[12 + b] = _mm512_shuffle_i32x4(t[4 + b], t[12 + b], 0xdd);
  }
}

}  // namespace
}  // namespace attnbench::cpu::fused
