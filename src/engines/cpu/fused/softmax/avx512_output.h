#pragma once

// From the AVX-512 tile kernel's sums, [column][lane], to rows of o, or unnormalised into Block::partial.
#include <cstdint>

#include "engines/cpu/fused/avx512.h"
#include "engines/cpu/fused/softmax/block.h"

namespace attnbench::cpu::fused {
namespace {

template <typename Path>
ATTNBENCH_SIMD_INLINE void write_output(Block& block) {
  for (int half = 0; half * kHalfLanes < block.rows; ++half) {
    const int first = half * kHalfLanes;
    const int rows = block.rows - first < kHalfLanes ? block.rows - first : kHalfLanes;
    const __m512 factor = block.partial != nullptr
                              ? _mm512_set1_ps(1.0F)
                              : _mm512_div_ps(_mm512_set1_ps(1.0F), _mm512_load_ps(block.sum + first));
    std::int64_t d = 0;
    if constexpr (Path::kPack == 2) {
      if (block.partial == nullptr) {
        for (; d + 32 <= block.head_dim_v; d += 32) {
          __m512i t[16];
          ATTNBENCH_UNROLL
          for (int c = 0; c < 16; ++c) {
            const float* column = block.output + (d + 2 * c) * kLanes + first;
            t[c] = Path::rounded_pair(_mm512_mul_ps(factor, _mm512_load_ps(column)),
                                      _mm512_mul_ps(factor, _mm512_load_ps(column + kLanes)));
          }
          transpose_16x16(t);
          ATTNBENCH_UNROLL
          for (int r = 0; r < 16; ++r) {
            if (r >= rows) continue;  // clang unrolls no loop that ends early
            _mm512_storeu_si512(block.o[first + r] + d * 2, t[r]);
          }
        }
      }
    }
    for (; d < block.head_dim_v; d += 16) {
      __m512i t[16];
      ATTNBENCH_UNROLL
      for (int c = 0; c < 16; ++c) {
        t[c] = _mm512_castps_si512(
            _mm512_mul_ps(factor, _mm512_load_ps(block.output + (d + c) * kLanes + first)));
      }
      transpose_16x16(t);
      ATTNBENCH_UNROLL
      for (int r = 0; r < 16; ++r) {
        if (r >= rows) continue;  // clang unrolls no loop that ends early
        if (block.partial != nullptr) {
          _mm512_storeu_si512(block.partial + (first + r) * block.head_dim_v + d, t[r]);
        } else {
          Path::store(block.o[first + r], d, _mm512_castsi512_ps(t[r]));
        }
      }
    }
  }
}

}  // namespace
}  // namespace attnbench::cpu::fused
