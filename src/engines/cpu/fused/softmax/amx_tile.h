#pragma once

// The tile kernel of path amx: S = Q K^T and O += P V with queries as rows. Q is read in place where it can
// be, K and V are packed once a kv head (amx_pack.h), weights and output need no rearrangement. Scores of the
// next unit are issued before the weights of this one, the values of up to eight units after them; the core
// overlaps them by itself.
//
// What limits it: loads, stores and products of tiles hardly overlap, so that each saved load counts. The
// S^T = K Q^T of Zen 4 was no faster a unit. Rejected as slower: values of the four units before spread
// between scores and weights, 64 rows a pass so that K and V are loaded from L2 once, loads of a step between
// its products.
#include "engines/cpu/fused/avx512.h"
#include "engines/cpu/fused/softmax/amx_ahead.h"
#include "engines/cpu/fused/softmax/amx_output.h"
#include "engines/cpu/fused/softmax/amx_products.h"
#include "engines/cpu/fused/softmax/amx_reduce.h"
#include "engines/cpu/fused/softmax/amx_unit.h"
#include "engines/cpu/fused/softmax/amx_weights.h"
#include "engines/cpu/fused/softmax/avx512_bf16.h"
#include "engines/cpu/fused/softmax/block.h"

namespace attnbench::cpu::fused {
namespace {

template <typename Tiles, bool WithLse>
class AmxTile {
 public:
  ATTNBENCH_SIMD static void begin(Block& block) {
    bind_queries(block);
    auto& state = state_of(block);
    state.started[0] = state.started[1] = false;
    state.guessed = !WithLse;
    state.single_v = nullptr;
    start_maxima(block, WithLse ? kNoMaximum : 0.0F);
    for (int half = 0; half < 2; ++half) {
      _mm512_store_ps(block.sum + half * kHalfLanes, _mm512_setzero_ps());
    }
    if constexpr (WithLse) {
      for (int n = 0; n < 2 * kTileBytes; n += kTileRowBytes) {
        _mm512_store_si512(sums_of(block) + n, _mm512_setzero_si512());
      }
    }
    block.empty = true;
  }

  ATTNBENCH_SIMD static void attend(Block& block, std::span<const KeySpan> spans) {
    Unit units[kGroupUnits];
    int count = 0;
    for (const auto& span : spans) {
      const auto* k = span.k;
      const auto* v = span.v;
      const auto last = span.first_key + span.keys;
      for (auto key = span.first_key; key < last; k += span.k_stride_bytes, v += span.v_stride_bytes) {
        const auto unit_begin = key / kUnitKeys * kUnitKeys;
        const auto end = std::min(unit_begin + kUnitKeys, last);
        if (count == 0 || units[count - 1].v != v) {
          if (count == kGroupUnits) {
            attend_units(block, units, count);
            count = 0;
          }
          units[count] = {};
          units[count].k = k;
          units[count].v = v;
          units[count++].first_key = unit_begin;
        }
        units[count - 1].add(key - unit_begin, end - unit_begin, span.halves,
                             key < span.full_begin || end > span.full_end);
        key = end;
      }
    }
    attend_units(block, units, count);
    block.ahead_keys = 0;
    block.ahead_q = 0;
    block.empty = false;
  }

  ATTNBENCH_SIMD static void finish(Block& block) {
    const auto& state = state_of(block);
    for (int half = 0; half < 2; ++half) {
      if (!state.started[half]) continue;
      const auto* sums = reinterpret_cast<const float*>(sums_of(block) + half * kTileBytes);
      __m512 sum;
      if constexpr (WithLse) {
        __m512 rows[kTileRows];
        ATTNBENCH_UNROLL
        for (int r = 0; r < kTileRows; ++r) rows[r] = _mm512_load_ps(sums + r * kTileRows);
        sum = reduce_rows(rows, Sum{});
      } else {
        sum = first_column(sums);
        if (state.single_v != nullptr) {
          sum = _mm512_add_ps(sum, _mm512_load_ps(state.single_weight + half * kHalfLanes));
        }
      }
      _mm512_store_ps(block.sum + half * kHalfLanes, sum);
      const __mmask16 nothing = _mm512_cmp_ps_mask(sum, _mm512_setzero_ps(), _CMP_EQ_OQ);
      _mm512_mask_store_ps(block.maximum + half * kHalfLanes, nothing, _mm512_set1_ps(kNoMaximum));
    }
    if (block.partial != nullptr) return write_partial(block);
    alignas(64) float factor[kLanes];
    for (int lane = 0; lane < block.rows; lane += kHalfLanes) {
      _mm512_store_ps(factor + lane, _mm512_div_ps(_mm512_set1_ps(1.0F), _mm512_load_ps(block.sum + lane)));
    }
    if (state.single_v != nullptr) {
      write_rows<true>(block, factor);
    } else {
      write_rows<false>(block, factor);
    }
    if (block.lse[0] == nullptr) return;
    for (int r = 0; r < block.rows; ++r) {
      *block.lse[r] = natural_lse(block.maximum[r], block.sum[r]);
    }
  }

 private:
  using Weigh = Weights<WithLse>;

  ATTNBENCH_SIMD_INLINE static void start_maxima(Block& block, float maximum) {
    const __m512 x = _mm512_set1_ps(maximum);
    auto& state = state_of(block);
    for (int half = 0; half < 2; ++half) {
      _mm512_store_ps(block.maximum + half * kHalfLanes, x);
      _mm512_store_ps(state.offset + half * kHalfLanes, Weigh::offset(x));
    }
    state.has_maximum = maximum != kNoMaximum;
  }
  ATTNBENCH_SIMD_INLINE static __m512 first_column(const float* tile) {
    const __m512i rows =
        _mm512_slli_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), 4);
    return _mm512_i32gather_ps(rows, tile, 4);
  }

  /// Q as left operands: rows close to each other where they lie, else a copy.
  ATTNBENCH_SIMD_INLINE static void bind_queries(Block& block) {
    auto& state = state_of(block);
    constexpr std::int64_t kClose = 512;
    if (block.rows == kLanes && block.head_dim_qk % kDepth == 0 && block.q_factor == 1.0F &&
        block.q_stride_bytes > 0 && block.q_stride_bytes <= kClose) [[likely]] {
      state.q[0] = block.q[0];
      state.q[1] = block.q[kTileRows];
      state.q_depth_bytes = kTileRowBytes;
      state.q_row_bytes = block.q_stride_bytes;
      return;
    }
    copy_queries(block);
    state.q[0] = block.queries;
    state.q[1] = block.queries + kTileBytes;
    state.q_depth_bytes = 2 * kTileBytes;
    state.q_row_bytes = kTileRowBytes;
  }
  /// [head_dim_qk / 32, rounded up][half] tiles, missing rows and elements 0.
  ATTNBENCH_SIMD_INLINE static void copy_queries(Block& block) {
    const int depths = depths_of(block);
    const int rows = block.rows;
    const auto last = static_cast<__mmask16>(block.head_dim_qk % kDepth == 0 ? 0xffff : 0xff);
    for (int r = 0; r < kLanes; ++r) {
      const auto* from = block.q[r < rows ? r : 0];
      auto* to = block.queries + r / kTileRows * kTileBytes + r % kTileRows * kTileRowBytes;
      for (int n = 0; n < depths; ++n, from += kTileRowBytes, to += 2 * kTileBytes) {
        const __mmask16 mask = r >= rows ? 0 : n + 1 < depths ? 0xffff : last;
        _mm512_store_si512(to, _mm512_maskz_loadu_epi32(mask, from));
      }
    }
    if (block.q_factor == 1.0F) [[likely]]
      return;
    for (auto* to = block.queries; to < block.queries + depths * 2 * kTileBytes; to += kTileRowBytes) {
      const __m512i q = _mm512_load_si512(to);
      _mm512_store_si512(to, block.q_factor < 0 ? Bf16::negated(q) : _mm512_setzero_si512());
    }
  }

  ATTNBENCH_SIMD_INLINE static void attend_units(Block& block, const Unit* units, int count) {
    auto& state = state_of(block);
    if (WithLse || !state.guessed) return attend_group(block, units, count);
    state.guessed = false;
    const bool single = has_single(block, units, count);
    attend_group(block, units, count, single);
    if (zero_served(block)) [[likely]]
      return;
    state.started[0] = state.started[1] = false;
    state.single_v = nullptr;
    start_maxima(block, kNoMaximum);
    attend_group(block, units, count);
  }
  /// The first unit is a single key, and every row has others. A global key alone would cost as many products
  /// of weights and values as 32.
  ATTNBENCH_SIMD_INLINE static bool has_single(const Block& block, const Unit* units, int count) {
    if (!units[0].single() || block.partial != nullptr) return false;
    int others = 0;
    for (int u = 1; u < count; ++u) others |= units[u].tiles;
    return (others & 3) != 0 && (others & 12) != 0;
  }
  ATTNBENCH_SIMD_INLINE static void weigh_single(Block& block, const Unit& unit, const std::byte* scores) {
    auto& state = state_of(block);
    state.single_v = unit.v;
    for (int half = 0; half < 2; ++half) {
      const auto* tile = reinterpret_cast<const float*>(scores + half * 2 * kTileBytes);
      _mm512_store_ps(state.single_weight + half * kHalfLanes, Weigh::of_rows(block, first_column(tile)));
    }
  }

  ATTNBENCH_SIMD_INLINE static void attend_group(Block& block, const Unit* units, int count,
                                                 bool single = false) {
    using P = Products<Tiles, WithLse>;
    const bool hold = P::holds_queries(block);
    if (hold) P::hold_queries(block);
    const auto score = [&](int u) ATTNBENCH_SIMD {
      if (hold) {
        P::held_scores(units[u], scores_of(block, u));
      } else {
        P::scores(block, units[u], scores_of(block, u));
      }
    };
    score(0);
    if (single) {
      score(1);
      weigh_single(block, units[0], scores_of(block, 0));
    }
    for (int u = single; u < count; ++u) {
      if (u + 1 < count) score(u + 1);
#if PF == 2
      if (block.ahead_keys > 0 || block.ahead_q != 0) prefetch_next(block, u - single, count - single);
#endif
      weigh(block, units, u);
    }
    P::values(block, units, single, count);
#if PF == 3
      if (block.ahead_keys > 0 || block.ahead_q != 0) prefetch_next(block, 0,1);
#endif
  }

  ATTNBENCH_SIMD_INLINE static void weigh(Block& block, const Unit* units, int u) {
    const auto* scores = scores_of(block, u);
    auto* weights = weights_of(block, u);
    auto& state = state_of(block);
    if (!state.has_maximum) {
      state.has_maximum = true;
      raise(block, units, u);
    }
    if constexpr (WithLse) {
      if (exceeds(block, units[u], scores)) [[unlikely]]
        raise(block, units, u);
      Weigh::by_polynomial(block, units[u], scores, weights);
    } else if (!Weigh::in_fixed_point(block, units[u], scores, weights)) [[unlikely]] {
      raise(block, units, u);
      Weigh::by_polynomial(block, units[u], scores, weights);
    }
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
  ATTNBENCH_SIMD_INLINE static __m512 row_tops(const Block& block, const Unit& unit, const std::byte* scores,
                                               int half) {
    __m512 tops[kTileRows];
    ATTNBENCH_UNROLL
    for (int r = 0; r < kTileRows; ++r) {
      __m512 s[2];
      Weigh::load_visible(block, unit, scores, half * kTileRows + r, s);
      tops[r] = _mm512_max_ps(s[0], s[1]);
    }
    return reduce_rows(tops, Larger{});
  }

  /// Some score is more than kLazyRise above its row's maximum, or not a number.
  ATTNBENCH_SIMD_INLINE static bool exceeds(const Block& block, const Unit& unit, const std::byte* scores) {
    const __m512 scale = _mm512_set1_ps(block.scale_log2);
    const __m512 rise = _mm512_set1_ps(kLazyRise);
    __mmask16 above = 0;
    for (int row = 0; row < kLanes; ++row) {
      if (!unit.reads(row / kTileRows)) continue;
      const __m512 maximum = _mm512_set1_ps(block.maximum[row]);
      __m512 s[2];
      Weigh::load_visible(block, unit, scores, row, s);
      for (const auto& x : s)
        above |= _mm512_cmp_ps_mask(_mm512_fmsub_ps(x, scale, maximum), rise, _CMP_NLE_UQ);
    }
    return above != 0;
  }

  /// Raises the maxima to those of unit `u`, and brings to them the weights of the units before it, sums and
  /// output.
  ATTNBENCH_SIMD __attribute__((noinline)) static void raise(Block& block, const Unit* units, int u) {
    auto& state = state_of(block);
    const __m512 scale = _mm512_set1_ps(block.scale_log2);
    for (int half = 0; half < 2; ++half) {
      const int lane = half * kHalfLanes;
      const __m512 old = _mm512_load_ps(block.maximum + lane);
      __m512 maximum = old;
      if (units[u].reads(half)) {
        const __m512 top = row_tops(block, units[u], scores_of(block, u), half);
        const __m512 whole =
            _mm512_roundscale_ps(_mm512_mul_ps(top, scale), _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
        maximum = _mm512_max_ps(whole, old);  // NaN leaves the maximum as it was
      }
      _mm512_store_ps(block.maximum + lane, maximum);
      _mm512_store_ps(state.offset + lane, Weigh::offset(maximum));
      const __m512 factor = _mm512_scalef_ps(_mm512_set1_ps(1.0F), _mm512_sub_ps(old, maximum));
      if (state.single_v != nullptr) {
        float* single = state.single_weight + lane;
        _mm512_store_ps(single, _mm512_mul_ps(_mm512_load_ps(single), factor));
      }
      if (state.started[half] || u > 0) rescale(block, half, u, factor);
    }
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
