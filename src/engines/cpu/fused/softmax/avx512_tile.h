#pragma once

// The tile kernel of the AVX-512 paths: S^T = K Q^T with queries as lanes, 32 rows = two registers.
// K and V need no transposition: their elements are broadcast from memory, 8 keys (or 8 elements of V)
// against two registers, 16 sums in registers. Maxima and sums are vertical. A group of 8 keys goes through
// softmax at once; its exponentials run inside the products of the next group (Path::kInterleave). A Path
// supplies the 32-bit lane arithmetic: one f32, or a pair of bf16.
#include <limits>
#include <utility>

#include "engines/cpu/fused/avx512.h"
#include "engines/cpu/fused/softmax/avx512_output.h"
#include "engines/cpu/fused/softmax/avx512_queries.h"
#include "engines/cpu/fused/softmax/avx512_scores.h"
#include "engines/cpu/fused/softmax/avx512_values.h"
#include "engines/cpu/fused/softmax/block.h"

namespace attnbench::cpu::fused {
namespace {

inline constexpr int kGroupKeys = 8;

template <typename Path>
class Tile {
 public:
  ATTNBENCH_SIMD static void begin(Block& block) {
    pack_queries<Path>(block);
    for (int half = 0; half < 2; ++half) {
      _mm512_store_ps(block.maximum + half * kHalfLanes, _mm512_set1_ps(kNoMaximum));
      _mm512_store_ps(block.sum + half * kHalfLanes, _mm512_setzero_ps());
    }
    block.empty = true;
  }

  ATTNBENCH_SIMD static void attend(Block& block, std::span<const KeySpan> spans) {
    Tile tile(block);
    const auto* first_weights = tile.weights_;
    for (const auto& span : spans) {
      switch (span.halves) {
        case Halves::low:
          tile.score_span<0, 1>(span);
          break;
        case Halves::high:
          tile.score_span<1, 1>(span);
          break;
        case Halves::both:
          tile.score_span<0, 2>(span);
          break;
      }
    }
    tile.drain();
    add_values<Path>(block, spans, first_weights);
    block.ahead_keys = 0;
    block.ahead_q = 0;
    block.empty = false;
  }

  ATTNBENCH_SIMD static void finish(Block& block) {
    write_output<Path>(block);
    if (block.partial != nullptr) return;
    for (int r = 0; r < block.rows; ++r) {
      if (block.lse[r] != nullptr) *block.lse[r] = natural_lse(block, block.maximum[r], block.sum[r]);
    }
  }

 private:
  ATTNBENCH_SIMD_INLINE explicit Tile(Block& block)
      : block_(block),
        words_(block.head_dim_qk / Path::kPack),
        queries_(reinterpret_cast<const float*>(block.queries)),
        weights_(reinterpret_cast<std::uint32_t*>(block.weights)) {}

  /// Scores and softmax of one span; First and Count name the 16-lane halves.
  template <int First, int Count>
  ATTNBENCH_SIMD_INLINE void score_span(const KeySpan& span) {
    std::int32_t key = 0;
    for (; key + kGroupKeys <= span.keys; key += kGroupKeys) score_group<kGroupKeys, First, Count>(span, key);
    if (key + 4 <= span.keys) score_group<4, First, Count>(span, std::exchange(key, key + 4));
    if (key + 2 <= span.keys) score_group<2, First, Count>(span, std::exchange(key, key + 2));
    if (key < span.keys) score_group<1, First, Count>(span, key);
  }

  template <int Keys, int First, int Count>
  ATTNBENCH_SIMD void score_group(const KeySpan& span, std::int32_t key) {
    constexpr bool kWhole = Keys == kGroupKeys && Count == 2;
    __m512 s[Keys][Count];
    ATTNBENCH_UNROLL
    for (int j = 0; j < Keys; ++j) {
      ATTNBENCH_UNROLL
      for (int h = 0; h < Count; ++h) s[j][h] = _mm512_setzero_ps();
    }
    const std::byte* k = span.k + key * span.k_stride_bytes;
    if constexpr (kWhole && Path::kInterleave) {
      if (pending_ != nullptr) {
        multiply_and_weigh(k, span.k_stride_bytes, s);
      } else {
        multiply<Path, Keys, First, Count>(queries_, k, span.k_stride_bytes, words_, s);
      }
    } else if constexpr (Path::kRunWords > 0) {
      multiply_by_runs<Path, Keys, First, Count>(queries_, k, span.k_stride_bytes, words_, s);
    } else {
      drain();
      multiply<Path, Keys, First, Count>(queries_, k, span.k_stride_bytes, words_, s);
    }
    const auto first_key = span.first_key + key;
    if (first_key < span.full_begin || first_key + Keys > span.full_end)
      mask<Keys, First, Count>(first_key, s);
    raise<Keys, First, Count>(s);
    if constexpr (kWhole && Path::kInterleave) {
      ATTNBENCH_UNROLL
      for (int j = 0; j < Keys; ++j) {
        ATTNBENCH_UNROLL
        for (int h = 0; h < Count; ++h) _mm512_store_ps(block_.scores + (j * 2 + h) * kHalfLanes, s[j][h]);
      }
      pending_ = weights_;
    } else {
      weigh<Keys, First, Count>(s);
    }
    weights_ += (Keys + Path::kPack - 1) / Path::kPack * kLanes;
  }

  /// multiply() of a whole group with the weights of the pending group computed in between: head_dim_qk is a
  /// multiple of 16, so one pair of exponentials per 1/8 of the words comes out even.
  ATTNBENCH_SIMD_INLINE void multiply_and_weigh(const std::byte* k, std::int64_t stride,
                                                __m512 (&s)[kGroupKeys][2]) {
    const auto step = words_ / kGroupKeys;
    const float* q = queries_;
    const float* scores = block_.scores;
    const __m512 scale = _mm512_set1_ps(block_.scale_log2);
    __m512 maximum[2] = {_mm512_load_ps(block_.maximum), _mm512_load_ps(block_.maximum + kHalfLanes)};
    __m512 sum[2] = {_mm512_load_ps(block_.sum), _mm512_load_ps(block_.sum + kHalfLanes)};
    for (int j = 0; j < kGroupKeys; j += 2) {
      ATTNBENCH_UNROLL
      for (int h = 0; h < 2; ++h) {
        multiply<Path, kGroupKeys, 0, 2>(q, k, stride, step, s);
        q += step * kLanes;
        k += step * 4;
        const __m512 first = weight(_mm512_load_ps(scores + (j * 2 + h) * kHalfLanes), scale, maximum[h]);
        const __m512 second =
            weight(_mm512_load_ps(scores + (j * 2 + 2 + h) * kHalfLanes), scale, maximum[h]);
        sum[h] = _mm512_add_ps(sum[h], _mm512_add_ps(first, second));
        store_weights(pending_ + (j / Path::kPack) * kLanes + h * kHalfLanes, first, second);
      }
    }
    _mm512_store_ps(block_.sum, sum[0]);
    _mm512_store_ps(block_.sum + kHalfLanes, sum[1]);
  }

  /// The weights of a pending group that no products follow.
  ATTNBENCH_SIMD_INLINE void drain() {
    if constexpr (!Path::kInterleave) return;
    if (pending_ == nullptr) return;
    __m512 s[kGroupKeys][2];
    ATTNBENCH_UNROLL
    for (int j = 0; j < kGroupKeys; ++j) {
      ATTNBENCH_UNROLL
      for (int h = 0; h < 2; ++h) s[j][h] = _mm512_load_ps(block_.scores + (j * 2 + h) * kHalfLanes);
    }
    std::swap(pending_, weights_);
    weigh<kGroupKeys, 0, 2>(s);
    std::swap(pending_, weights_);
    pending_ = nullptr;
  }

  ATTNBENCH_SIMD_INLINE static __m512 weight(__m512 score, __m512 scale, __m512 maximum) {
    return exp2_of<Path::kExpDegree>(_mm512_mul_ps(_mm512_sub_ps(score, maximum), scale));
  }

  /// Two keys' weights of one half.
  ATTNBENCH_SIMD_INLINE static void store_weights(std::uint32_t* to, __m512 first, __m512 second) {
    if constexpr (Path::kPack == 2) {
      _mm512_store_si512(to, Path::pair(first, second));
    } else {
      _mm512_store_ps(to, first);
      _mm512_store_ps(to + kLanes, second);
    }
  }

  template <int Keys, int First, int Count>
  ATTNBENCH_SIMD_INLINE void weigh(const __m512 (&s)[Keys][Count]) {
    const __m512 scale = _mm512_set1_ps(block_.scale_log2);
    ATTNBENCH_UNROLL
    for (int h = 0; h < Count; ++h) {
      const int lane = (First + h) * kHalfLanes;
      const __m512 maximum = _mm512_load_ps(block_.maximum + lane);
      __m512 sum = _mm512_load_ps(block_.sum + lane);
      ATTNBENCH_UNROLL
      for (int j = 0; j < Keys; j += 2) {
        const __m512 first = weight(s[j][h], scale, maximum);
        sum = _mm512_add_ps(sum, first);
        if constexpr (Keys == 1) {
          _mm512_store_si512(weights_ + lane, Path::single(first));
        } else {
          const __m512 second = weight(s[j + 1][h], scale, maximum);
          sum = _mm512_add_ps(sum, second);
          store_weights(weights_ + (j / Path::kPack) * kLanes + lane, first, second);
        }
      }
      _mm512_store_ps(block_.sum + lane, sum);
    }
  }

  /// Scores of keys that a lane may not see become minus infinity.
  template <int Keys, int First, int Count>
  ATTNBENCH_SIMD_INLINE void mask(std::int32_t first_key, __m512 (&s)[Keys][Count]) const {
    const __m512 hidden = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
    ATTNBENCH_UNROLL
    for (int h = 0; h < Count; ++h) {
      const __m512i begin = _mm512_load_si512(block_.begin + (First + h) * kHalfLanes);
      const __m512i size = _mm512_load_si512(block_.size + (First + h) * kHalfLanes);
      ATTNBENCH_UNROLL
      for (int j = 0; j < Keys; ++j) {
        const __m512i offset = _mm512_sub_epi32(_mm512_set1_epi32(first_key + j), begin);
        s[j][h] = _mm512_mask_mov_ps(hidden, _mm512_cmplt_epu32_mask(offset, size), s[j][h]);
      }
    }
  }

  /// Raises the running maxima where these scores exceed them by more than kLazyRise.
  template <int Keys, int First, int Count>
  ATTNBENCH_SIMD_INLINE void raise(const __m512 (&s)[Keys][Count]) {
    const __m512 rise = _mm512_set1_ps(block_.rise);
    __m512 top[Count];
    int rises = 0;
    ATTNBENCH_UNROLL
    for (int h = 0; h < Count; ++h) {
      top[h] = s[0][h];
      ATTNBENCH_UNROLL
      for (int j = 1; j < Keys; ++j) top[h] = _mm512_max_ps(top[h], s[j][h]);
      const __m512 maximum = _mm512_load_ps(block_.maximum + (First + h) * kHalfLanes);
      rises |= _mm512_cmp_ps_mask(top[h], _mm512_add_ps(maximum, rise), _CMP_GT_OQ);
    }
    if (rises == 0) [[likely]]
      return;
    ATTNBENCH_UNROLL
    for (int h = 0; h < Count; ++h) rescale(block_, (First + h) * kHalfLanes, top[h], weights_);
  }

  /// Brings what 16 lanes have summed so far (weights not yet multiplied with V included) to a higher
  /// maximum.
  ATTNBENCH_SIMD __attribute__((noinline)) static void rescale(Block& block, int lane, __m512 top,
                                                               const std::uint32_t* weights_end) {
    const __m512 old = _mm512_load_ps(block.maximum + lane);
    const __m512 maximum = _mm512_max_ps(old, top);
    const __m512 scale = _mm512_set1_ps(block.scale_log2);
    const __m512 factor = exp2_of<5>(_mm512_mul_ps(_mm512_sub_ps(old, maximum), scale));
    _mm512_store_ps(block.maximum + lane, maximum);
    _mm512_store_ps(block.sum + lane, _mm512_mul_ps(factor, _mm512_load_ps(block.sum + lane)));
    for (auto* w = reinterpret_cast<std::uint32_t*>(block.weights) + lane; w < weights_end; w += kLanes) {
      _mm512_store_si512(w, Path::scaled(_mm512_load_si512(w), factor));
    }
    if (block.empty) return;
    for (std::int64_t d = 0; d < block.head_dim_v; ++d) {
      float* row = block.output + d * kLanes + lane;
      _mm512_store_ps(row, _mm512_mul_ps(factor, _mm512_load_ps(row)));
    }
  }

  Block& block_;
  std::int64_t words_;
  const float* queries_;
  std::uint32_t* weights_;            ///< of the next group
  std::uint32_t* pending_ = nullptr;  ///< where the weights of the group in Block::scores will go
};

}  // namespace
}  // namespace attnbench::cpu::fused
