#pragma once

// V as the left operand of O^T += V^T P^T: units of 32 keys, each [head_dim_v][32 keys].
#include "engines/cpu/fused/avx512.h"
#include "engines/cpu/fused/softmax/amx_chunk.h"

namespace attnbench::cpu::fused {
namespace {

/// `keys` rows of V, the first at a multiple of 32 keys; keys missing in the last unit become 0.
ATTNBENCH_SIMD void transpose_values(const std::byte* v, std::int64_t stride_bytes, std::int64_t keys,
                                     std::int64_t head_dim_v, std::byte* packed) {
  for (std::int64_t key = 0; key < keys; key += kUnitKeys, v += kUnitKeys * stride_bytes) {
    const auto here = std::min<std::int64_t>(keys - key, kUnitKeys);
    for (std::int64_t d = 0; d < head_dim_v; d += 32) {
      const auto columns = std::min<std::int64_t>(head_dim_v - d, 32);
      const __mmask32 mask = columns == 32 ? 0xffffffffU : 0xffffU;
      // Words of two keys; lane 128-bit part p, word i holds column 8 p + i, and 8 p + 4 + i in `high`.
      __m512i low[16];
      __m512i high[16];
      ATTNBENCH_UNROLL
      for (int pair = 0; pair < 16; ++pair) {
        const auto* row = v + 2 * pair * stride_bytes + d * 2;
        const __mmask32 first = 2 * pair < here ? mask : 0;
        const __mmask32 second = 2 * pair + 1 < here ? mask : 0;
        const __m512i a = _mm512_maskz_loadu_epi16(first, row);
        const __m512i b = _mm512_maskz_loadu_epi16(second, row + stride_bytes);
        low[pair] = _mm512_unpacklo_epi16(a, b);
        high[pair] = _mm512_unpackhi_epi16(a, b);
      }
      transpose_16x16(low);
      transpose_16x16(high);
      ATTNBENCH_UNROLL
      for (int word = 0; word < 16; ++word) {
        const int column = word / 4 * 8 + word % 4;
        if (column >= columns) continue;
        _mm512_store_si512(packed + column * kTileRowBytes, low[word]);
        _mm512_store_si512(packed + (column + 4) * kTileRowBytes, high[word]);
      }
      packed += columns * kTileRowBytes;
    }
  }
}

}  // namespace
}  // namespace attnbench::cpu::fused
