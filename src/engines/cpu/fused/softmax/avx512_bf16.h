#pragma once

// The lane arithmetic of bf16 pairs in 512-bit registers.
#include "engines/cpu/fused/avx512.h"

namespace attnbench::cpu::fused {
namespace {

constexpr int kUpperHalves = static_cast<int>(0xffff0000U);

struct Bf16 {
  static constexpr int kPack = 2;  ///< elements in a 32-bit lane
  static constexpr int kExpDegree = 3;
  /// Shares of the vdpbf16ps ceiling, Zen 4, one core, mha N = 1024, D = 64 / 128: GCC 12
  /// interleaved 87.2-87.8 / 90.4-90.5 %, serial 84.9-85.4 / 88.6-89.0; clang 19 83.4-83.9 / 86.8-88.4
  /// and 84.2-84.6 / 88.3-88.5.
#if defined(__clang__)
  static constexpr bool kInterleave = false;
#else
  static constexpr bool kInterleave = true;
#endif
  static constexpr int kRunWords =
      0;  ///< products of bf16 are exact in f32 and P is rounded far more coarsely

  ATTNBENCH_SIMD_INLINE static __m512 dot(__m512 sum, __m512i a, __m512i b) {
    return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b);
  }
  /// Rounds to nearest, ties away from zero: P is not negative, and adding half before truncating costs half
  /// a cycle where vcvtne2ps2bf16 costs one and a half and gives another order.
  ATTNBENCH_SIMD_INLINE static __m512i pair(__m512 first, __m512 second) {
    const __m512i half = _mm512_set1_epi32(0x8000);
    const __m512i low = _mm512_srli_epi32(_mm512_add_epi32(_mm512_castps_si512(first), half), 16);
    const __m512i high = _mm512_add_epi32(_mm512_castps_si512(second), half);
    constexpr int kSelectByMask = 0xd8;  // mask ? high : low, for operands (low, high, mask)
    return _mm512_ternarylogic_epi32(low, high, _mm512_set1_epi32(kUpperHalves), kSelectByMask);
  }
  ATTNBENCH_SIMD_INLINE static __m512i single(__m512 first) { return pair(first, _mm512_setzero_ps()); }
  ATTNBENCH_SIMD_INLINE static __m512i scaled(__m512i pairs, __m512 factor) {
    const __m512 first = _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
    const __m512 second = _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(kUpperHalves)));
    return pair(_mm512_mul_ps(first, factor), _mm512_mul_ps(second, factor));
  }
  ATTNBENCH_SIMD_INLINE static __m512i negated(__m512i x) {
    return _mm512_xor_si512(x, _mm512_set1_epi32(static_cast<int>(0x80008000U)));
  }
  /// Pairs of two columns of the output, rounded to nearest even.
  ATTNBENCH_SIMD_INLINE static __m512i rounded_pair(__m512 first, __m512 second) {
    const __m512i lanes = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i index =
        _mm512_or_si512(lanes, _mm512_slli_epi32(_mm512_add_epi32(lanes, _mm512_set1_epi32(16)), 16));
    return _mm512_permutexvar_epi16(index, (__m512i)_mm512_cvtne2ps_pbh(second, first));
  }
  ATTNBENCH_SIMD_INLINE static void store(std::byte* row, std::int64_t column, __m512 values) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(row + column * 2), (__m256i)_mm512_cvtneps_pbh(values));
  }

  /// Weights of 32 keys, first those of `low`.
  ATTNBENCH_SIMD_INLINE static void store_in_key_order(std::byte* to, __m512 low, __m512 high) {
    _mm512_store_si512(to, (__m512i)_mm512_cvtne2ps_pbh(high, low));
  }
  /// Pairs of two rows of V, in the order that costs least; in_order() undoes it.
  ATTNBENCH_SIMD_INLINE static void values(__m512i first, __m512i second, __m512i (&pairs)[kPack]) {
    pairs[0] = _mm512_unpacklo_epi16(first, second);
    pairs[1] = _mm512_unpackhi_epi16(first, second);
  }
  /// Columns d .. d + 15 of sums kept in the order of values(); `sums` points at the vector of that number.
  ATTNBENCH_SIMD_INLINE static __m512 in_order(const float* sums, std::int64_t d) {
    const bool upper = d % 32 != 0;
    const float* both = upper ? sums - 16 : sums;
    const __m512i low = _mm512_set_epi32(23, 22, 21, 20, 7, 6, 5, 4, 19, 18, 17, 16, 3, 2, 1, 0);
    const __m512i index = _mm512_add_epi32(low, _mm512_set1_epi32(upper ? 8 : 0));
    return _mm512_permutex2var_ps(_mm512_load_ps(both), index, _mm512_load_ps(both + 16));
  }
};

/// For calls that ask for the log-sum-exp: degree 3 shifts every weight of a row alike, which the division by
/// their sum takes out of the output but not out of the sum (1e-4 in the log-sum-exp, where f32 can give
/// 1e-6).
struct Bf16WithLse : Bf16 {
  static constexpr int kExpDegree = 5;
};

}  // namespace
}  // namespace attnbench::cpu::fused
