#pragma once

// From the AMX kernels' tiles of output to rows.
#include "engines/cpu/fused/avx512.h"
#include "engines/cpu/fused/softmax/amx_pack.h"
#include "engines/cpu/fused/softmax/amx_unit.h"

namespace attnbench::cpu::fused {
namespace {

ATTNBENCH_SIMD_INLINE __m512 output_row(const Block& block, int tile, int row) {
  return _mm512_load_ps(block.output + (2 * tile + row / kTileRows) * (kTileBytes / 4) +
                        row % kTileRows * kTileRows);
}
/// Output in bf16. Values of a single key join here.
template <bool Single>
ATTNBENCH_SIMD_INLINE void write_rows(Block& block, const float* factor) {
  const auto& state = state_of(block);
  const int tiles = value_tiles_of(block);
  const auto single_values = [&](int tile) ATTNBENCH_SIMD {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_load_si512(state.single_v + tile * kTileBytes), 16));
  };
  const auto columns = [&](int tile, int row, __m512 values) ATTNBENCH_SIMD {
    __m512 o = output_row(block, tile, row);
    if constexpr (Single) o = _mm512_fmadd_ps(values, _mm512_set1_ps(state.single_weight[row]), o);
    return _mm512_mul_ps(o, _mm512_set1_ps(factor[row]));
  };
  for (int tile = 0; tile < tiles; tile += 2) {
    const bool pair = tile + 1 < tiles;
    __m512 values[2] = {};
    if constexpr (Single) {
      values[0] = single_values(tile);
      if (pair) values[1] = single_values(tile + 1);
    }
    if (pair) {
      for (int row = 0; row < block.rows; ++row) {
        _mm512_storeu_si512(block.o[row] + tile * kTileRows * 2,
                            packed_row(columns(tile, row, values[0]), columns(tile + 1, row, values[1])));
      }
    } else {
      for (int row = 0; row < block.rows; ++row) {
        _mm256_storeu_si256(reinterpret_cast<__m256i*>(block.o[row] + tile * kTileRows * 2),
                            packed_row(columns(tile, row, values[0])));
      }
    }
  }
}
ATTNBENCH_SIMD_INLINE void write_partial(Block& block) {
  const int tiles = value_tiles_of(block);
  for (int row = 0; row < block.rows; ++row) {
    float* to = block.partial + row * block.head_dim_v;
    int tile = 0;
    for (; tile + 2 <= tiles; tile += 2, to += 2 * kTileRows) {
      __m512 columns[2] = {output_row(block, tile, row), output_row(block, tile + 1, row)};
      natural_order(columns);
      _mm512_storeu_ps(to, columns[0]);
      _mm512_storeu_ps(to + kTileRows, columns[1]);
    }
    if (tile < tiles) _mm512_storeu_ps(to, natural_order(output_row(block, tile, row)));
  }
}

/// What finish() leaves, from output, maxima and Block::sum.
ATTNBENCH_SIMD_INLINE void finish_rows(Block& block) {
  for (int lane = 0; lane < kLanes; lane += kHalfLanes) {
    const __mmask16 nothing =
        _mm512_cmp_ps_mask(_mm512_load_ps(block.sum + lane), _mm512_setzero_ps(), _CMP_EQ_OQ);
    _mm512_mask_store_ps(block.maximum + lane, nothing, _mm512_set1_ps(kNoMaximum));
  }
  if (block.partial != nullptr) return write_partial(block);
  alignas(64) float factor[kLanes];
  for (int lane = 0; lane < block.rows; lane += kHalfLanes) {
    _mm512_store_ps(factor + lane, _mm512_div_ps(_mm512_set1_ps(1.0F), _mm512_load_ps(block.sum + lane)));
  }
  if (state_of(block).single_v != nullptr) {
    write_rows<true>(block, factor);
  } else {
    write_rows<false>(block, factor);
  }
  if (block.lse[0] == nullptr) return;
  for (int r = 0; r < block.rows; ++r) *block.lse[r] = natural_lse(block, block.maximum[r], block.sum[r]);
}

}  // namespace
}  // namespace attnbench::cpu::fused
