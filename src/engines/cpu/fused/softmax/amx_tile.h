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
#include "engines/cpu/fused/softmax/amx_maxima.h"
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
    Maximum::start(block, WithLse ? kNoMaximum : 0.0F);
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
    for_each_group(spans,
                   [&](const Unit* units, int count) ATTNBENCH_SIMD { attend_units(block, units, count); });
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
    }
    finish_rows(block);
  }

 private:
  using Weigh = Weights<WithLse>;
  using Maximum = Maxima<WithLse>;

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
    if (Maximum::zero_served(block)) [[likely]]
      return;
    state.started[0] = state.started[1] = false;
    state.single_v = nullptr;
    Maximum::start(block, kNoMaximum);
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
    const bool hold = P::holds_queries(block, units, count);
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
      weigh(block, units, u);
    }
    P::values(block, units, single, count);
  }

  ATTNBENCH_SIMD_INLINE static void weigh(Block& block, const Unit* units, int u) {
    const auto* scores = scores_of(block, u);
    auto* weights = weights_of(block, u);
    auto& state = state_of(block);
    if (!state.has_maximum) {
      state.has_maximum = true;
      Maximum::raise(block, units, u);
    }
    if constexpr (WithLse) {
      if (Maximum::exceeds(block, units[u], scores)) [[unlikely]]
        Maximum::raise(block, units, u);
      Weigh::by_polynomial(block, units[u], scores, weights);
    } else if (!Weigh::in_fixed_point(block, units[u], scores, weights)) [[unlikely]] {
      Maximum::raise(block, units, u);
      Weigh::by_polynomial(block, units[u], scores, weights);
    }
  }
};

}  // namespace
}  // namespace attnbench::cpu::fused
