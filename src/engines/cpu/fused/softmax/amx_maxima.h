#pragma once

// Running maxima of the AMX kernels' rows, and what they scale.
#include <algorithm>

#include "engines/cpu/fused/avx512.h"
#include "engines/cpu/fused/softmax/amx_reduce.h"
#include "engines/cpu/fused/softmax/amx_unit.h"
#include "engines/cpu/fused/softmax/amx_weights.h"
#include "engines/cpu/fused/softmax/avx512_bf16.h"
#include "engines/cpu/fused/softmax/block.h"

namespace attnbench::cpu::fused {
namespace {

/// Of a tile of f32, a row a lane.
ATTNBENCH_SIMD_INLINE __m512 first_column(const float* tile) {
  const __m512i rows =
      _mm512_slli_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), 4);
  return _mm512_i32gather_ps(rows, tile, 4);
}

template <bool WithLse>
class Maxima {
 public:
  ATTNBENCH_SIMD_INLINE static void start(Block& block, float maximum) {
    const __m512 x = _mm512_set1_ps(maximum);
    const __m512 offset = _mm512_set1_ps(maximum == 0 ? Weigh::kTop : Weigh::kOutOfRange);
    auto& state = state_of(block);
    for (int half = 0; half < 2; ++half) {
      _mm512_store_ps(block.maximum + half * kHalfLanes, x);
      _mm512_store_ps(state.offset + half * kHalfLanes, offset);
    }
    state.has_maximum = maximum != kNoMaximum;
  }

  /// No row's weights under a maximum of 0, or under what it was raised to, are all small: their sums tell,
  /// which are there anyway, so that no pass over the scores looks for the first maximum.
  ATTNBENCH_SIMD_INLINE static bool zero_served(Block& block) {
    constexpr float kLowest = 1.0F / 65536;
    constexpr float kHighest = 65536.0F;
    for (int half = 0; half * kTileRows < block.rows; ++half) {
      if (!state_of(block).started[half]) continue;
      __m512 sum = first_column(reinterpret_cast<const float*>(sums_of(block) + half * kTileBytes));
      if (state_of(block).single_v != nullptr) {
        const __m512 single = _mm512_load_ps(state_of(block).single_weight + half * kHalfLanes);
        if (_mm512_cmp_ps_mask(single, _mm512_set1_ps(kHighest), _CMP_NLE_UQ) != 0) return false;
        sum = _mm512_add_ps(sum, single);
      }
      const int rows = std::min(block.rows - half * kTileRows, kTileRows);
      const auto small = _mm512_cmp_ps_mask(sum, _mm512_set1_ps(kLowest), _CMP_NGE_UQ);
      if ((small & ((1 << rows) - 1)) != 0) return false;
    }
    return true;
  }

  /// Some score is more than kLazyRise above its row's maximum, or not a number.
  ATTNBENCH_SIMD_INLINE static bool exceeds(const Block& block, const Unit& unit, const std::byte* scores) {
    __mmask16 above = 0;
    for (int half = 0; half < 2; ++half) {
      if (!unit.reads(half)) continue;
      const typename Weigh::Seen seen(block, unit, half);
      for (int row = half * kTileRows; row < (half + 1) * kTileRows; ++row) {
        const __m512 limit = _mm512_set1_ps(block.maximum[row] + block.rise);
        __m512 s[2];
        Weigh::load_visible(seen, scores, row, s);
        for (const auto& x : s) above |= _mm512_cmp_ps_mask(x, limit, _CMP_NLE_UQ);
      }
    }
    return above != 0;
  }

  /// Raises the maxima to those of unit `u`, and brings to them the weights of the units before it, sums and
  /// output.
  ATTNBENCH_SIMD __attribute__((noinline)) static void raise(Block& block, const Unit* units, int u) {
    for (int half = 0; half < 2; ++half) {
      if (units[u].reads(half)) raise(block, half, row_tops(block, units[u], scores_of(block, u), half), u);
    }
  }
  /// The same of a half whose rows' largest scores are `tops`, behind `weighed` units of the group.
  ATTNBENCH_SIMD_INLINE static void raise(Block& block, int half, __m512 tops, int weighed) {
    auto& state = state_of(block);
    const int lane = half * kHalfLanes;
    const __m512 old = _mm512_load_ps(block.maximum + lane);
    const auto raised = Weigh::raised(block, tops);
    const __mmask16 rises = _mm512_cmp_ps_mask(raised.maximum, old, _CMP_GT_OQ);
    if (rises == 0) return;
    _mm512_mask_store_ps(block.maximum + lane, rises, raised.maximum);
    _mm512_mask_store_ps(state.offset + lane, rises, raised.offset);
    const __m512 steps = _mm512_mul_ps(_mm512_sub_ps(old, raised.maximum), _mm512_set1_ps(block.scale_log2));
    const __m512 factor =
        _mm512_mask_mov_ps(_mm512_set1_ps(1.0F), rises, Weigh::template power_of_two<5>(steps));
    _mm512_store_ps(block.sum + lane, _mm512_mul_ps(_mm512_load_ps(block.sum + lane), factor));
    if (state.single_v != nullptr) {
      float* single = state.single_weight + lane;
      _mm512_store_ps(single, _mm512_mul_ps(_mm512_load_ps(single), factor));
    }
    if (state.started[half] || weighed > 0) rescale(block, half, weighed, factor);
  }

 private:
  using Weigh = Weights<WithLse>;

  ATTNBENCH_SIMD_INLINE static __m512 row_tops(const Block& block, const Unit& unit, const std::byte* scores,
                                               int half) {
    const typename Weigh::Seen seen(block, unit, half);
    __m512 tops[kTileRows];
    ATTNBENCH_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
      __m512 s[2];
      Weigh::load_visible(seen, scores, half * kTileRows + r, s);
      tops[r] = _mm512_max_ps(s[0], s[1]);
    }
    return reduce_rows(tops, Larger{});
  }

  ATTNBENCH_SIMD_INLINE static void rescale(Block& block, int half, int weighed, __m512 factors) {
    alignas(64) float factor[kTileRows];
    _mm512_store_ps(factor, factors);
    for (int u = 0; u < weighed; ++u) {
      auto* w = weights_of(block, u) + half * kTileBytes;
      for (int r = 0; r < kTileRows; ++r, w += kTileRowBytes) {
        _mm512_store_si512(w, Bf16::scaled(_mm512_load_si512(w), _mm512_set1_ps(factor[r])));
      }
    }
    const bool started = state_of(block).started[half];
    if (WithLse || started) scale_rows(sums_of(block) + half * kTileBytes, factor);
    if (!started) return;
    auto* output = reinterpret_cast<std::byte*>(block.output);
    for (int tile = 0; tile < value_tiles_of(block); ++tile) {
      scale_rows(output + (2 * tile + half) * kTileBytes, factor);
    }
  }
  ATTNBENCH_SIMD_INLINE static void scale_rows(std::byte* tile, const float (&factor)[kTileRows]) {
    auto* rows = reinterpret_cast<float*>(tile);
    for (int r = 0; r < kTileRows; ++r, rows += kTileRows) {
      _mm512_store_ps(rows, _mm512_mul_ps(_mm512_set1_ps(factor[r]), _mm512_load_ps(rows)));
    }
  }
};

}  // namespace
}  // namespace attnbench::cpu::fused
