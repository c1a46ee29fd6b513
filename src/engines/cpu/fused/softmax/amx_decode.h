#pragma once

// The kernel of path amx for the rows of a head that read many more keys than they are (decode of several
// queries). What a key costs there is to be read: S^T = K Q^T takes K as left operand where it lies, V is
// paired a unit at a time into a buffer of a few units, and the rows of a unit to come are fetched beside
// the products of this one. Scores are [key][row], so that maxima and offsets are one register for 16 rows;
// weights are transposed back to the left operand of O += P V, 16 words of 16 rows for 32 keys.
//
// What limits it: reading K, reading V and the products with V still add. Rejected as no faster with 16 rows,
// D = 128: Q held in tiles through a group, four tiles of output under way, fetching into L1, none at all.
#include <algorithm>
#include <limits>
#include <utility>

#include "engines/cpu/fused/avx512.h"
#include "engines/cpu/fused/softmax/amx_maxima.h"
#include "engines/cpu/fused/softmax/amx_output.h"
#include "engines/cpu/fused/softmax/amx_pack.h"
#include "engines/cpu/fused/softmax/amx_products.h"
#include "engines/cpu/fused/softmax/amx_unit.h"
#include "engines/cpu/fused/softmax/amx_weights.h"
#include "engines/cpu/fused/softmax/avx512_bf16.h"
#include "engines/cpu/fused/softmax/avx512_queries.h"
#include "engines/cpu/fused/softmax/block.h"

namespace attnbench::cpu::fused {
namespace {

template <typename Tiles, bool WithLse>
class AmxDecode {
 public:
  ATTNBENCH_SIMD static void begin(Block& block) {
    pack_queries<Bf16>(block);
    auto& state = state_of(block);
    state.started[0] = state.started[1] = false;
    state.single_v = nullptr;
    Maximum::start(block, kNoMaximum);
    for (int lane = 0; lane < kLanes; lane += kHalfLanes) {
      _mm512_store_ps(block.sum + lane, _mm512_setzero_ps());
    }
    block.empty = true;
  }

  ATTNBENCH_SIMD static void attend(Block& block, std::span<const KeySpan> spans) {
    UnitRows rows[kGroupUnits];
    int count = 0;
    for (const auto& span : spans) {
      for (std::int32_t key = 0; key < span.keys; key += kUnitKeys) {
        if (count == kGroupUnits) attend_group(block, rows, std::exchange(count, 0));
        rows[count++] = UnitRows(span, key);
      }
    }
    attend_group(block, rows, count);
    block.empty = false;
  }

  ATTNBENCH_SIMD static void finish(Block& block) { finish_rows(block); }

 private:
  using Weigh = Weights<WithLse>;
  using Maximum = Maxima<WithLse>;

  /// Units from one to that whose rows are fetched beside it. 1, 2, 4, 8 and no fetching took the same time.
  static constexpr int kAhead = 2;

  /// 32 keys where they lie, fewer at the end of a span.
  struct UnitRows {
    UnitRows() = default;
    UnitRows(const KeySpan& span, std::int32_t first)
        : k(span.k + first * span.k_stride_bytes),
          v(span.v + first * span.v_stride_bytes),
          k_stride_bytes(span.k_stride_bytes),
          v_stride_bytes(span.v_stride_bytes),
          first_key(span.first_key + first),
          keys(std::min(span.keys - first, kUnitKeys)),
          masked(first_key < span.full_begin || first_key + keys > span.full_end) {}
    bool whole() const { return keys == kUnitKeys && !masked; }

    const std::byte* k;
    const std::byte* v;
    std::int64_t k_stride_bytes, v_stride_bytes;
    std::int32_t first_key, keys;
    bool masked;  ///< Block::begin and size decide
  };

  static int halves_of(const Block& block) { return block.rows > kHalfLanes ? 2 : 1; }
  /// A tile behind those of weights.
  static std::byte* words_of(Block& block) { return block.weights + kGroupUnits * kUnitWeightsBytes; }
  static_assert((kGroupUnits + 1) * kUnitWeightsBytes - kTileBytes <= kWeightsBytes);

  /// Into L2, the rows [at, at + count) from `rows` on.
  ATTNBENCH_SIMD_INLINE static void fetch(const std::byte* rows, std::int64_t stride_bytes,
                                          std::int64_t row_bytes, std::int64_t at, std::int64_t count) {
    for (const auto* row = rows + at * stride_bytes; count > 0; --count, row += stride_bytes) {
      for (std::int64_t byte = 0; byte < row_bytes; byte += kTileRowBytes) {
        _mm_prefetch(reinterpret_cast<const char*>(row + byte), _MM_HINT_T1);
      }
    }
  }

  ATTNBENCH_SIMD_INLINE static void attend_group(Block& block, const UnitRows* rows, int count) {
    if (count == 0) return;
    Unit units[kGroupUnits];
    const auto unit_bytes = block.head_dim_v * kTileRowBytes;
    scores(block, rows[0], scores_of(block, 0));
    for (int u = 0; u < count; ++u) {
      units[u].tiles = halves_of(block) == 2 ? 15 : 3;
      units[u].v = block.values + u * unit_bytes;
      if (u + 1 < count) scores(block, rows[u + 1], scores_of(block, u + 1));
      for (int half = 0; half < halves_of(block); ++half) weigh(block, rows[u], u, half);
      pair_values(block, rows[u], block.values + u * unit_bytes);
    }
    // Without a tile of sums: they are in Block::sum.
    Products<Tiles, true>::values(block, units, 0, count);
  }

  /// Scores of a unit, [half of the rows][half of the keys] tiles of [key][row].
  ATTNBENCH_SIMD_INLINE static void scores(Block& block, const UnitRows& rows, std::byte* to) {
    const auto* k = rows.k;
    auto stride = rows.k_stride_bytes;
    // Tiles are read whole: not behind the last key, nor behind head_dim.
    if (rows.keys < kUnitKeys || block.head_dim_qk % kDepth != 0) {
      k = copied(block, rows);
      stride = depths_of(block) * kTileRowBytes;
    }
    const auto* ahead = rows.k + kAhead * kUnitKeys * rows.k_stride_bytes;
    const int depths = depths_of(block);
    const int share = (kUnitKeys + depths - 1) / depths;
    const bool both = halves_of(block) == 2;
    const auto* q = block.queries;
    Tiles::template zero<0>();
    Tiles::template zero<1>();
    if (both) {
      Tiles::template zero<2>();
      Tiles::template zero<3>();
    }
    for (int n = 0; n < depths; ++n, k += kTileRowBytes, q += kTileRows * kQueryRowBytes) {
      Tiles::template load<4>(k, stride);
      Tiles::template load<6>(q, kQueryRowBytes);
      Tiles::template load<5>(k + kTileRows * stride, stride);
      Tiles::template dot<0, 4, 6>();
      Tiles::template dot<1, 5, 6>();
      if (both) {
        Tiles::template load<7>(q + kTileRowBytes, kQueryRowBytes);
        Tiles::template dot<2, 4, 7>();
        Tiles::template dot<3, 5, 7>();
      }
      fetch(ahead, rows.k_stride_bytes, block.head_dim_qk * 2, n * share, share);
    }
    Tiles::template store<0>(to, kTileRowBytes);
    Tiles::template store<1>(to + kTileBytes, kTileRowBytes);
    if (both) {
      Tiles::template store<2>(to + 2 * kTileBytes, kTileRowBytes);
      Tiles::template store<3>(to + 3 * kTileBytes, kTileRowBytes);
    }
  }
  static constexpr std::int64_t kQueryRowBytes = kLanes * 4;

  /// Keys of a unit as 32 rows of whole tiles, missing keys and elements 0, behind Q.
  ATTNBENCH_SIMD __attribute__((noinline)) static const std::byte* copied(Block& block,
                                                                          const UnitRows& rows) {
    constexpr std::int64_t kCopyBytes = std::int64_t{kMaxHeadDim} * 2 * kUnitKeys;
    auto* copy = block.queries + kQueriesBytes - kCopyBytes;
    static_assert(kMaxHeadDim / 2 * kQueryRowBytes + kCopyBytes <= kQueriesBytes);
    auto* to = copy;
    for (int key = 0; key < kUnitKeys; ++key) {
      const auto* from = rows.k + key * rows.k_stride_bytes;
      for (std::int64_t d = 0; d < block.head_dim_qk; d += kDepth, to += kTileRowBytes) {
        const __mmask16 elements = block.head_dim_qk - d >= kDepth ? 0xffff : 0xff;
        _mm512_store_si512(to, _mm512_maskz_loadu_epi32(key < rows.keys ? elements : 0, from + d * 2));
      }
    }
    return copy;
  }

  ATTNBENCH_SIMD_INLINE static void weigh(Block& block, const UnitRows& rows, int u, int half) {
    auto* scores = scores_of(block, u) + half * 2 * kTileBytes;
    auto* words = words_of(block);
    if (WithLse || !rows.whole() || !Weigh::in_fixed_point(block, half, scores, words)) {
      weigh_by_polynomial(block, rows, u, half, scores, words);
    }
    if constexpr (!WithLse) add_sums(block, half, words);
    __m512i pairs[kTileRows];
    load_columns(words, kTileRowBytes, pairs);
    auto* weights = weights_of(block, u) + half * kTileBytes;
    ATTNBENCH_UNROLL
    for (int r = 0; r < kTileRows; ++r) _mm512_store_si512(weights + r * kTileRowBytes, pairs[r]);
  }

  /// Weights as they are rounded, summed over the keys.
  ATTNBENCH_SIMD_INLINE static void add_sums(Block& block, int half, const std::byte* words) {
    const __m512i ones = _mm512_set1_epi32(0x3f803f80);
    float* to = block.sum + half * kHalfLanes;
    __m512 sum[2] = {_mm512_load_ps(to), _mm512_setzero_ps()};
    ATTNBENCH_UNROLL
    for (int j = 0; j < kTileRows; ++j) {
      sum[j % 2] = Bf16::dot(sum[j % 2], _mm512_load_si512(words + j * kTileRowBytes), ones);
    }
    _mm512_store_ps(to, _mm512_add_ps(sum[0], sum[1]));
  }

  ATTNBENCH_SIMD __attribute__((noinline)) static void weigh_by_polynomial(Block& block, const UnitRows& rows,
                                                                           int u, int half, std::byte* scores,
                                                                           std::byte* words) {
    if (!rows.whole()) hide(block, rows, half, scores);
    __m512 tops = _mm512_load_ps(scores);
    for (int key = 1; key < kUnitKeys; ++key) {
      tops = _mm512_max_ps(_mm512_load_ps(scores + key * kTileRowBytes), tops);
    }
    const __m512 limit =
        _mm512_add_ps(_mm512_load_ps(block.maximum + half * kHalfLanes), _mm512_set1_ps(block.rise));
    if (_mm512_cmp_ps_mask(tops, limit, _CMP_GT_OQ) != 0) Maximum::raise(block, half, tops, u);
    Weigh::by_polynomial(block, half, scores, words);
  }
  /// Scores of keys that a row may not see, or that are not there, become minus infinity.
  ATTNBENCH_SIMD_INLINE static void hide(const Block& block, const UnitRows& rows, int half,
                                         std::byte* scores) {
    const __m512 hidden = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
    const int lane = half * kHalfLanes;
    for (int key = 0; key < kUnitKeys; ++key, scores += kTileRowBytes) {
      __mmask16 seen = key < rows.keys ? 0xffff : 0;
      if (rows.masked) {
        const __m512i offset =
            _mm512_sub_epi32(_mm512_set1_epi32(rows.first_key + key), _mm512_load_si512(block.begin + lane));
        seen = _mm512_mask_cmplt_epu32_mask(seen, offset, _mm512_load_si512(block.size + lane));
      }
      _mm512_store_ps(scores, _mm512_mask_mov_ps(hidden, seen, _mm512_load_ps(scores)));
    }
  }

  /// V of a unit as right operands.
  ATTNBENCH_SIMD_INLINE static void pair_values(Block& block, const UnitRows& rows, std::byte* packed) {
    const auto* ahead = rows.v + kAhead * kUnitKeys * rows.v_stride_bytes;
    constexpr std::int64_t kColumns = 2 * kTileRows;
    const auto shares = (block.head_dim_v + kColumns - 1) / kColumns;
    const auto share = (kUnitKeys + shares - 1) / shares;
    for (std::int64_t n = 0; n < shares; ++n) {
      const auto columns = std::min(block.head_dim_v - n * kColumns, kColumns);
      pack_value_columns<false>(rows.v + n * kTileRowBytes, rows.v_stride_bytes, rows.keys, columns, packed);
      packed += columns * kTileRowBytes;
      fetch(ahead, rows.v_stride_bytes, block.head_dim_v * 2, n * share, share);
    }
  }
};

}  // namespace
}  // namespace attnbench::cpu::fused
