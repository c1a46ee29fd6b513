#pragma once

// The products with V of the AVX-512 tile kernel.
#include <cstdint>
#include <span>

#include "engines/cpu/fused/avx512.h"
#include "engines/cpu/fused/softmax/avx512_scores.h"
#include "engines/cpu/fused/softmax/block.h"

namespace attnbench::cpu::fused {
namespace {

inline constexpr int kValueColumns = 8;

ATTNBENCH_SIMD_INLINE void prefetch_row(const std::byte* row, std::int64_t row_bytes) {
  for (std::int64_t b = 0; b < row_bytes; b += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(row + b), _MM_HINT_T1);
  }
}

/// A share of what the next block needs, beside the products of columns d .. d + 7.
template <typename Path>
ATTNBENCH_SIMD_INLINE void prefetch_next(const Block& block, std::int64_t d) {
  const auto steps = static_cast<int>(block.head_dim_v) / kValueColumns;
  const auto step = static_cast<int>(d) / kValueColumns;
  const auto qk_bytes = block.head_dim_qk * 4 / Path::kPack;
  const auto v_bytes = block.head_dim_v * 4 / Path::kPack;
  const std::byte* k = block.ahead_k.first + step * block.ahead_k.stride_bytes;
  const std::byte* v = block.ahead_v.first + step * block.ahead_v.stride_bytes;
  for (int key = step; key < block.ahead_keys; key += steps) {
    prefetch_row(k, qk_bytes);
    prefetch_row(v, v_bytes);
    k += steps * block.ahead_k.stride_bytes;
    v += steps * block.ahead_v.stride_bytes;
  }
  if (block.ahead_q == 0) return;
  for (int lane = step; lane < block.rows; lane += steps) {
    prefetch_row(block.q[lane] + block.ahead_q, qk_bytes);
    prefetch_row(block.o[lane] + block.ahead_o, v_bytes);
  }
}

/// output += V^T P^T over all spans, 8 columns of V at a time.
template <typename Path>
ATTNBENCH_SIMD_INLINE void add_values(Block& block, std::span<const KeySpan> spans,
                                      const std::uint32_t* weights) {
  const bool ahead = block.ahead_keys > 0 || block.ahead_q != 0;
  for (std::int64_t d = 0; d < block.head_dim_v; d += kValueColumns) {
    if (ahead) prefetch_next<Path>(block, d);
    float* output = block.output + d * kLanes;
    __m512 o[kValueColumns][2];
    ATTNBENCH_UNROLL
    for (int c = 0; c < kValueColumns; ++c) {
      ATTNBENCH_UNROLL
      for (int h = 0; h < 2; ++h) {
        o[c][h] = block.empty ? _mm512_setzero_ps() : _mm512_load_ps(output + c * kLanes + h * kHalfLanes);
      }
    }
    const auto* w = weights;
    for (const auto& span : spans) {
      const std::byte* v = span.v + d * 4;
      const auto units = (span.keys + Path::kPack - 1) / Path::kPack;
      if (span.halves == Halves::both) {
        for (int u = 0; u < units; ++u, w += kLanes, v += span.v_stride_bytes) {
          const __m512i low = _mm512_load_si512(w);
          const __m512i high = _mm512_load_si512(w + kHalfLanes);
          ATTNBENCH_UNROLL
          for (int c = 0; c < kValueColumns; ++c) {
            const __m512i element = broadcast_word(v + c * 4);
            o[c][0] = Path::dot(o[c][0], low, element);
            o[c][1] = Path::dot(o[c][1], high, element);
          }
        }
      } else if (span.halves == Halves::low) {
        for (int u = 0; u < units; ++u, w += kLanes, v += span.v_stride_bytes) {
          const __m512i low = _mm512_load_si512(w);
          ATTNBENCH_UNROLL
          for (int c = 0; c < kValueColumns; ++c)
            o[c][0] = Path::dot(o[c][0], low, broadcast_word(v + c * 4));
        }
      } else {
        for (int u = 0; u < units; ++u, w += kLanes, v += span.v_stride_bytes) {
          const __m512i high = _mm512_load_si512(w + kHalfLanes);
          ATTNBENCH_UNROLL
          for (int c = 0; c < kValueColumns; ++c)
            o[c][1] = Path::dot(o[c][1], high, broadcast_word(v + c * 4));
        }
      }
    }
    ATTNBENCH_UNROLL
    for (int c = 0; c < kValueColumns; ++c) {
      ATTNBENCH_UNROLL
      for (int h = 0; h < 2; ++h) _mm512_store_ps(output + c * kLanes + h * kHalfLanes, o[c][h]);
    }
  }
}

}  // namespace
}  // namespace attnbench::cpu::fused
