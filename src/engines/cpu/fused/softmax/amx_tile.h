#pragma once

// The tile kernel of path amx: S = Q K^T and O += P V with queries as rows. Q is copied once, K and V are
// packed once a kv head (amx_pack.h), weights and output need no rearrangement. Scores of the next unit are
// issued before the weights of this one, the values of up to eight units after them; the core overlaps them
// by itself.
//
// What limits it: loads, stores and products of tiles hardly overlap (one core of a Xeon with AMX, 16 cycles
// a product: 16 loads beside 16 products 421 to 437 cycles, alone 185 to 215 and 251). A unit (32 x 32
// scores, D = 64) is 18 products, 18 loads and 4 stores, and a group of units loads and stores 10 tiles of
// output: 519 to 638 cycles without weights, 84 the weights alone, 584 to 641 all. The S^T = K Q^T of Zen 4
// costs the same a unit. Rejected: values of the four units before spread between scores and weights (612 to
// 636 where 584 to 614), 64 rows a pass so that K and V are loaded from L2 once (673 to 717; D = 128 1241
// where 1219), loads of a step between its products (603 to 635).
#include "engines/cpu/fused/avx512.h"
#include "engines/cpu/fused/softmax/amx_pack.h"
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
    copy_queries(block);
    auto& state = state_of(block);
    state.has_maximum = state.started[0] = state.started[1] = false;
    for (int half = 0; half < 2; ++half) {
      const __m512 none = _mm512_set1_ps(kNoMaximum);
      _mm512_store_ps(block.maximum + half * kHalfLanes, none);
      _mm512_store_ps(state.offset + half * kHalfLanes, Weigh::offset(none));
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
        const __m512i first_column =
            _mm512_slli_epi32(_mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0), 4);
        sum = _mm512_i32gather_ps(first_column, sums, 4);
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
    for (int r = 0; r < block.rows; ++r) write_row(block, r, _mm512_set1_ps(factor[r]));
    for (int r = 0; r < block.rows; ++r) {
      if (block.lse[r] != nullptr) *block.lse[r] = natural_lse(block.maximum[r], block.sum[r]);
    }
  }

 private:
  using Weigh = Weights<WithLse>;

  /// Q as left operands: [head_dim_qk / 32, rounded up][half] tiles, missing rows and elements 0.
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
    Products<Tiles, WithLse>::scores(block, units[0], scores_of(block, 0));
    for (int u = 0; u < count; ++u) {
      if (u + 1 < count) Products<Tiles, WithLse>::scores(block, units[u + 1], scores_of(block, u + 1));
      weigh(block, units, u);
    }
    Products<Tiles, WithLse>::values(block, units, count);
  }

  ATTNBENCH_SIMD_INLINE static void weigh(Block& block, const Unit* units, int u) {
    const auto* scores = scores_of(block, u);
    auto* weights = weights_of(block, u);
    auto& state = state_of(block);
    if (!state.has_maximum) {
      state.has_maximum = true;
      if (WithLse || !zero_serves(block, units[u], scores)) raise(block, units, u);
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

  /// Sets the maxima to 0 where all rows have a score near it, and says so: weights need not wait for the
  /// maxima then, which only confirm a predicted branch.
  ATTNBENCH_SIMD_INLINE static bool zero_serves(Block& block, const Unit& unit, const std::byte* scores) {
    constexpr float kLowest = -16;
    const __m512 scale = _mm512_set1_ps(block.scale_log2);
    __mmask16 far = 0;
    for (int half = 0; half < 2; ++half) {
      if (!unit.reads(half)) continue;
      const __m512 top = _mm512_mul_ps(scale, row_tops(block, unit, scores, half));
      far |= _mm512_cmp_ps_mask(top, _mm512_set1_ps(kLowest), _CMP_NGE_UQ);
      far |= _mm512_cmp_ps_mask(top, _mm512_set1_ps(kLazyRise), _CMP_NLE_UQ);
    }
    if (far != 0) return false;
    for (int half = 0; half < 2; ++half) {
      if (!unit.reads(half)) continue;
      _mm512_store_ps(block.maximum + half * kHalfLanes, _mm512_setzero_ps());
      _mm512_store_ps(state_of(block).offset + half * kHalfLanes, Weigh::offset(_mm512_setzero_ps()));
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

  ATTNBENCH_SIMD_INLINE static __m512 output_row(const Block& block, int tile, int row) {
    return _mm512_load_ps(block.output + (2 * tile + row / kTileRows) * (kTileBytes / 4) +
                          row % kTileRows * kTileRows);
  }
  ATTNBENCH_SIMD_INLINE static void write_row(const Block& block, int row, __m512 factor) {
    const int tiles = value_tiles_of(block);
    int tile = 0;
    for (; tile + 2 <= tiles; tile += 2) {
      _mm512_storeu_si512(block.o[row] + tile * kTileRows * 2,
                          packed_row(_mm512_mul_ps(factor, output_row(block, tile, row)),
                                     _mm512_mul_ps(factor, output_row(block, tile + 1, row))));
    }
    if (tile == tiles) return;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(block.o[row] + tile * kTileRows * 2),
                        packed_row(_mm512_mul_ps(factor, output_row(block, tile, row))));
  }
  ATTNBENCH_SIMD_INLINE static void write_partial(Block& block) {
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
};

}  // namespace
}  // namespace attnbench::cpu::fused
