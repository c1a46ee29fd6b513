#pragma once

// What the next block reads and writes, into L2 beside this block's work.
#include "engines/cpu/fused/avx512.h"
#include "engines/cpu/fused/softmax/block.h"

namespace attnbench::cpu::fused {
namespace {

ATTNBENCH_SIMD_INLINE void prefetch_row(const std::byte* row, std::int64_t row_bytes) {
  for (std::int64_t b = 0; b < row_bytes; b += 64) {
    _mm_prefetch(reinterpret_cast<const char*>(row + b), _MM_HINT_T1);
  }
}

/// Every `steps`-th row from `step` on.
ATTNBENCH_SIMD_INLINE void prefetch_next(const Block& block, int step, int steps) {
  const auto qk_bytes = block.head_dim_qk * 2;
  const auto v_bytes = block.head_dim_v * 2;
  for (int key = step; key < block.ahead_keys; key += steps) {
    prefetch_row(block.ahead_k.first + key * block.ahead_k.stride_bytes, qk_bytes);
    prefetch_row(block.ahead_v.first + key * block.ahead_v.stride_bytes, v_bytes);
  }
  if (block.ahead_q == 0) return;
  for (int lane = step; lane < block.rows; lane += steps) {
    prefetch_row(block.q[lane] + block.ahead_q, qk_bytes);
    prefetch_row(block.o[lane] + block.ahead_o, v_bytes);
  }
}

}  // namespace
}  // namespace attnbench::cpu::fused
