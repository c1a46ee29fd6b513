#pragma once

// From the AMX kernel's tiles of output to rows.
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

}  // namespace
}  // namespace attnbench::cpu::fused
