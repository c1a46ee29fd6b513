#pragma once

// K and V as right operands of tile products, in units of 32 keys, once a kv head.
#include "engines/cpu/fused/avx512.h"
#include "engines/cpu/fused/softmax/amx_unit.h"

namespace attnbench::cpu::fused {
namespace {

/// A unit is [head_dim / 32, rounded up][half of the keys] tiles: rows are pairs of elements, columns keys.
/// Keys missing in the last unit and elements beyond head_dim become 0.
ATTNBENCH_SIMD void pack_keys(const std::byte* k, std::int64_t stride_bytes, std::int64_t keys,
                              std::int64_t head_dim, std::byte* packed) {
  for (std::int64_t key = 0; key < keys; key += kUnitKeys) {
    for (std::int64_t d = 0; d < head_dim; d += kDepth) {
      const auto mask = static_cast<__mmask16>(head_dim - d >= kDepth ? 0xffff : 0xff);
      for (std::int64_t first = key; first < key + kUnitKeys; first += kTileRows, packed += kTileBytes) {
        const auto* row = k + first * stride_bytes + d * 2;
        __m512i words[kTileRows];
        ATTNBENCH_UNROLL
        for (int r = 0; r < kTileRows; ++r) {
          const __mmask16 present = first + r < keys ? mask : 0;
          words[r] = _mm512_maskz_loadu_epi32(present, row + r * stride_bytes);
        }
        transpose_16x16(words);
        ATTNBENCH_UNROLL
        for (int r = 0; r < kTileRows; ++r) _mm512_store_si512(packed + r * kTileRowBytes, words[r]);
      }
    }
  }
}

/// A unit is [head_dim / 16] tiles: row j holds keys j and 16 + j in pairs. Of 32 columns the first tile has
/// those whose number modulo 8 is below 4 and the second the others, as unpacking leaves them; 16 columns at
/// the end are one tile in that order. natural_order() and packed_row() undo it.
ATTNBENCH_SIMD void pack_values(const std::byte* v, std::int64_t stride_bytes, std::int64_t keys,
                                std::int64_t head_dim, std::byte* packed) {
  for (std::int64_t key = 0; key < keys; key += kUnitKeys) {
    for (std::int64_t d = 0; d < head_dim; d += 32) {
      const bool pair = head_dim - d >= 32;
      const __mmask32 mask = pair ? 0xffffffffU : 0xffffU;
      ATTNBENCH_UNROLL
      for (int j = 0; j < kTileRows; ++j, packed += kTileRowBytes) {
        const auto* row = v + (key + j) * stride_bytes + d * 2;
        const __m512i a = _mm512_maskz_loadu_epi16(key + j < keys ? mask : 0, row);
        const __m512i b =
            _mm512_maskz_loadu_epi16(key + j + kTileRows < keys ? mask : 0, row + kTileRows * stride_bytes);
        const __m512i low = _mm512_unpacklo_epi16(a, b);
        const __m512i high = _mm512_unpackhi_epi16(a, b);
        if (pair) {
          _mm512_store_si512(packed, low);
          _mm512_store_si512(packed + kTileBytes, high);
        } else {
          _mm512_store_si512(packed, _mm512_inserti64x4(low, _mm512_castsi512_si256(high), 1));
        }
      }
      if (pair) packed += kTileBytes;
    }
  }
}

/// 32 columns of output, from both tiles, in their natural order.
ATTNBENCH_SIMD_INLINE void natural_order(__m512 (&columns)[2]) {
  const __m512d low = _mm512_castps_pd(columns[0]);
  const __m512d high = _mm512_castps_pd(columns[1]);
  const __m512i first = _mm512_set_epi64(11, 10, 3, 2, 9, 8, 1, 0);
  const __m512i second = _mm512_set_epi64(15, 14, 7, 6, 13, 12, 5, 4);
  columns[0] = _mm512_castpd_ps(_mm512_permutex2var_pd(low, first, high));
  columns[1] = _mm512_castpd_ps(_mm512_permutex2var_pd(low, second, high));
}
/// 16 columns that are one tile.
ATTNBENCH_SIMD_INLINE __m512 natural_order(__m512 columns) {
  return _mm512_shuffle_f32x4(columns, columns, 0xd8);
}

/// The same rounded to bf16, ties away from zero.
ATTNBENCH_SIMD_INLINE __m512i rounded_bits(__m512 x) {
  return _mm512_srli_epi32(_mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000)), 16);
}
ATTNBENCH_SIMD_INLINE __m512i packed_row(__m512 low, __m512 high) {
  return _mm512_packus_epi32(rounded_bits(low), rounded_bits(high));
}
ATTNBENCH_SIMD_INLINE __m256i packed_row(__m512 columns) {
  const __m512i bits = rounded_bits(columns);
  return _mm256_packus_epi32(_mm512_castsi512_si256(bits), _mm512_extracti64x4_epi64(bits, 1));
}

}  // namespace
}  // namespace attnbench::cpu::fused
