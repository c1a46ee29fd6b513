#pragma once

// K and V as right operands of tile products, in units of 32 keys, once a kv head.
#include <algorithm>

#include "engines/cpu/fused/avx512.h"
#include "engines/cpu/fused/softmax/amx_unit.h"

namespace attnbench::cpu::fused {
namespace {

/// Into L2, a row of the unit after this one: the next block packs it, too late for the hardware to have
/// fetched it. swa(w=64), bf16, D = 64, 8 heads, one core of a Xeon, ns a query: N = 8192 83 where 88
/// without, N = 1024 71 where 70 to 71.
ATTNBENCH_SIMD_INLINE void prefetch_next_unit(const std::byte* row, std::int64_t stride_bytes) {
  _mm_prefetch(reinterpret_cast<const char*>(row + kUnitKeys * stride_bytes), _MM_HINT_T1);
}

/// 16 rows of 16 words, `stride_bytes` apart, as columns. Each register gathers a 128-bit part of four rows
/// by insertions from memory, which any vector port takes; two rounds of shuffles remain on the one port that
/// shuffles, where transpose_16x16() of whole rows has four.
ATTNBENCH_SIMD_INLINE void load_columns(const std::byte* from, std::int64_t stride_bytes,
                                        __m512i (&columns)[kTileRows]) {
  ATTNBENCH_UNROLL
  for (int part = 0; part < 4; ++part) {
    __m512i rows[4];  // row r: rows r, 4 + r, 8 + r and 12 + r in its 128-bit parts
    ATTNBENCH_UNROLL
    for (int r = 0; r < 4; ++r) {
      const auto at = [&](int row) {
        return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + (r + row) * stride_bytes + part * 16));
      };
      rows[r] = _mm512_castsi128_si512(at(0));
      rows[r] = _mm512_inserti32x4(rows[r], at(4), 1);
      rows[r] = _mm512_inserti32x4(rows[r], at(8), 2);
      rows[r] = _mm512_inserti32x4(rows[r], at(12), 3);
    }
    const __m512i low01 = _mm512_unpacklo_epi32(rows[0], rows[1]);
    const __m512i low23 = _mm512_unpacklo_epi32(rows[2], rows[3]);
    const __m512i high01 = _mm512_unpackhi_epi32(rows[0], rows[1]);
    const __m512i high23 = _mm512_unpackhi_epi32(rows[2], rows[3]);
    columns[4 * part] = _mm512_unpacklo_epi64(low01, low23);
    columns[4 * part + 1] = _mm512_unpackhi_epi64(low01, low23);
    columns[4 * part + 2] = _mm512_unpacklo_epi64(high01, high23);
    columns[4 * part + 3] = _mm512_unpackhi_epi64(high01, high23);
  }
}

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
        if (first + kTileRows <= keys && mask == 0xffff) [[likely]] {
          load_columns(row, stride_bytes, words);
          ATTNBENCH_UNROLL
          for (int r = 0; r < kTileRows; ++r) prefetch_next_unit(row + r * stride_bytes, stride_bytes);
        } else {
          ATTNBENCH_UNROLL
          for (int r = 0; r < kTileRows; ++r) {
            const __mmask16 present = first + r < keys ? mask : 0;
            words[r] = _mm512_maskz_loadu_epi32(present, row + r * stride_bytes);
          }
          transpose_16x16(words);
        }
        ATTNBENCH_UNROLL
        for (int r = 0; r < kTileRows; ++r) _mm512_store_si512(packed + r * kTileRowBytes, words[r]);
      }
    }
  }
}

/// The lower halves of both, and the upper ones, in pairs.
ATTNBENCH_SIMD_INLINE __m512i lower_halves(__m512i a, __m512i b) {
  const __m512i lower_to_upper = _mm512_set4_epi32(0x0d0c0d0c, 0x09080908, 0x05040504, 0x01000100);
  return _mm512_mask_shuffle_epi8(a, 0xccccccccccccccccU, b, lower_to_upper);
}
ATTNBENCH_SIMD_INLINE __m512i upper_halves(__m512i a, __m512i b) {
  const __m512i upper_to_lower = _mm512_set4_epi32(0x0f0e0f0e, 0x0b0a0b0a, 0x07060706, 0x03020302);
  return _mm512_mask_shuffle_epi8(b, 0x3333333333333333U, a, upper_to_lower);
}

/// `columns` 32, or 16 at the end, of the `keys` rows of a unit, the missing ones 0: tiles of pack_values().
template <bool PrefetchNext>
ATTNBENCH_SIMD_INLINE void pack_value_columns(const std::byte* v, std::int64_t stride_bytes,
                                              std::int64_t keys, std::int64_t columns, std::byte* packed) {
  const bool pair = columns == 2 * kTileRows;
  const __mmask32 mask = pair ? 0xffffffffU : 0xffffU;
  const bool whole = keys >= kUnitKeys && pair;
  ATTNBENCH_UNROLL
  for (int j = 0; j < kTileRows; ++j, packed += kTileRowBytes) {
    const auto* row = v + j * stride_bytes;
    const auto* row16 = row + kTileRows * stride_bytes;
    if (whole) [[likely]] {
      const __m512i a = _mm512_loadu_si512(row);
      const __m512i b = _mm512_loadu_si512(row16);
      if constexpr (PrefetchNext) {
        prefetch_next_unit(row, stride_bytes);
        prefetch_next_unit(row16, stride_bytes);
      }
      _mm512_store_si512(packed, lower_halves(a, b));
      _mm512_store_si512(packed + kTileBytes, upper_halves(a, b));
      continue;
    }
    const __m512i a = _mm512_maskz_loadu_epi16(j < keys ? mask : 0, row);
    const __m512i b = _mm512_maskz_loadu_epi16(j + kTileRows < keys ? mask : 0, row16);
    const __m512i even = lower_halves(a, b);
    const __m512i odd = upper_halves(a, b);
    if (pair) {
      _mm512_store_si512(packed, even);
      _mm512_store_si512(packed + kTileBytes, odd);
    } else {
      _mm512_store_si512(packed, _mm512_inserti64x4(even, _mm512_castsi512_si256(odd), 1));
    }
  }
}

/// A unit is [head_dim / 16] tiles: row j holds keys j and 16 + j in pairs. Of 32 columns the first tile has
/// the even ones and the second the odd ones, so that a row of output is one shuffle of both (packed_row());
/// 16 columns at the end are one tile in that order.
ATTNBENCH_SIMD void pack_values(const std::byte* v, std::int64_t stride_bytes, std::int64_t keys,
                                std::int64_t head_dim, std::byte* packed) {
  for (std::int64_t key = 0; key < keys; key += kUnitKeys, v += kUnitKeys * stride_bytes) {
    for (std::int64_t d = 0; d < head_dim; d += 2 * kTileRows) {
      const auto columns = std::min<std::int64_t>(head_dim - d, 2 * kTileRows);
      pack_value_columns<true>(v + d * 2, stride_bytes, keys - key, columns, packed);
      packed += columns * kTileRowBytes;
    }
  }
}

/// 32 columns of output, from both tiles, in their natural order.
ATTNBENCH_SIMD_INLINE void natural_order(__m512 (&columns)[2]) {
  const __m512i first = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
  const __m512i second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
  const __m512 even = columns[0];
  columns[0] = _mm512_permutex2var_ps(even, first, columns[1]);
  columns[1] = _mm512_permutex2var_ps(even, second, columns[1]);
}
/// 16 columns that are one tile.
ATTNBENCH_SIMD_INLINE __m512 natural_order(__m512 columns) {
  const __m512i order = _mm512_set_epi32(15, 7, 14, 6, 13, 5, 12, 4, 11, 3, 10, 2, 9, 1, 8, 0);
  return _mm512_permutexvar_ps(order, columns);
}

/// Columns of output as bf16, ties away from zero, in their natural order.
ATTNBENCH_SIMD_INLINE __m512i packed_row(__m512 even, __m512 odd) {
  const __m512i half = _mm512_set1_epi32(0x8000);
  return upper_halves(_mm512_add_epi32(_mm512_castps_si512(even), half),
                      _mm512_add_epi32(_mm512_castps_si512(odd), half));
}
ATTNBENCH_SIMD_INLINE __m256i packed_row(__m512 columns) {
  const __m512 odd =
      _mm512_castsi512_ps(_mm512_castsi256_si512(_mm512_extracti64x4_epi64(_mm512_castps_si512(columns), 1)));
  return _mm512_castsi512_si256(packed_row(columns, odd));
}

}  // namespace
}  // namespace attnbench::cpu::fused
