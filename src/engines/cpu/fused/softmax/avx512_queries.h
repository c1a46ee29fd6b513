#pragma once

// Q as the kernels want it whose lanes are rows.
#include <cstdint>

#include "engines/cpu/fused/avx512.h"
#include "engines/cpu/fused/softmax/block.h"

namespace attnbench::cpu::fused {
namespace {

/// Q as [word][lane] into Block::queries, a word being Path::kPack elements; missing rows are 0, and so are
/// words up to the next multiple of 16.
template <typename Path>
ATTNBENCH_SIMD_INLINE void pack_queries(Block& block) {
  auto* packed = reinterpret_cast<std::uint32_t*>(block.queries);
  const auto words = block.head_dim_qk / Path::kPack;
  for (int half = 0; half < 2; ++half) {
    for (std::int64_t word = 0; word < words; word += 16) {
      const auto mask = static_cast<__mmask16>(words - word >= 16 ? 0xffff : (1 << (words - word)) - 1);
      __m512i rows[16];
      ATTNBENCH_UNROLL
      for (int r = 0; r < 16; ++r) {
        const int lane = half * kHalfLanes + r;
        rows[r] = lane < block.rows ? _mm512_maskz_loadu_epi32(mask, block.q[lane] + word * 4)
                                    : _mm512_setzero_si512();
      }
      if (block.q_factor != 1.0F) {
        for (auto& row : rows) row = block.q_factor < 0 ? Path::negated(row) : _mm512_setzero_si512();
      }
      transpose_16x16(rows);
      ATTNBENCH_UNROLL
      for (int c = 0; c < 16; ++c) {
        _mm512_store_si512(packed + (word + c) * kLanes + half * kHalfLanes, rows[c]);
      }
    }
  }
}

}  // namespace
}  // namespace attnbench::cpu::fused
