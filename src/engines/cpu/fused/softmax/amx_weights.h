#pragma once

// Softmax weights of the AMX tile kernel: scores [key][lane] in f32 become pairs of bf16 [key / 2][lane].
// On CPUs with AMX reduce and scalef take one cycle of one port, so that a weight costs 7 instructions.
//  * No pass looks for the maximum: weights are computed under the running one, and only where a weight
//    exceeded 2^kLazyRise (known from the finished pairs, half an operation a score) is the unit done again.
//  * Where nobody asks for the log-sum-exp, 2^f on [0, 1) comes with half a bf16 ulp added to its constant
//    term: truncation then rounds to nearest, and a tile product with ones sums the rounded weights.
#include <limits>

#include "engines/cpu/fused/avx512.h"
#include "engines/cpu/fused/softmax/amx_chunk.h"
#include "engines/cpu/fused/softmax/block.h"

namespace attnbench::cpu::fused {
namespace {

/// Keys of one step: 4 keys.
inline constexpr int kStepKeys = 4;
inline constexpr int kUnitSteps = kUnitKeys / kStepKeys;
static_assert(kLazyRise == 8.0F);
inline constexpr short kLargestWeight = 0x4380;  ///< 2^8 in bf16; weights order like integers

template <bool WithLse>
class Weights {
 public:
  ATTNBENCH_SIMD_INLINE Weights(const Block& block, const float* scores, std::uint32_t* weights)
      : block_(block), scores_(scores), weights_(weights), scale_(_mm512_set1_ps(block.scale_log2)) {
    ATTNBENCH_UNROLL
    for (int half = 0; half < 2; ++half) {
      maximum_[half] = _mm512_load_ps(block.maximum + half * kHalfLanes);
      sum_[half] = _mm512_load_ps(block.sum + half * kHalfLanes);
    }
    top_ = _mm512_setzero_si512();
  }

  /// Step `step` of the unit.
  ATTNBENCH_SIMD_INLINE void add(const Unit& unit, int step) {
    const float* s = scores_ + step * (kStepKeys * kLanes);
    std::uint32_t* w = weights_ + step * (kStepKeys / 2 * kLanes);
    if (unit.whole) [[likely]] {
      add_whole<0>(s, w);
      add_whole<1>(s, w);
    } else {
      add_edge<0>(unit, step * kStepKeys, s, w);
      add_edge<1>(unit, step * kStepKeys, s, w);
    }
  }

  /// Some weight is above 2^kLazyRise, or not a number.
  ATTNBENCH_SIMD_INLINE bool too_large() const {
    return _mm512_cmpgt_epu16_mask(top_, _mm512_set1_epi16(kLargestWeight)) != 0;
  }

  ATTNBENCH_SIMD_INLINE void keep_sums(Block& block) const {
    if constexpr (!WithLse) return;
    ATTNBENCH_UNROLL
    for (int half = 0; half < 2; ++half) _mm512_store_ps(block.sum + half * kHalfLanes, sum_[half]);
  }

  /// Minus infinity where a lane of the half may not see the key.
  ATTNBENCH_SIMD_INLINE static __m512 visible(const Block& block, const Unit& unit, int half, int key,
                                              __m512 score) {
    __mmask16 seen = key >= unit.begin[half] && key < unit.end[half] ? 0xffff : 0;
    if (unit.masked[half]) {
      const __m512i begin = _mm512_load_si512(block.begin + half * kHalfLanes);
      const __m512i size = _mm512_load_si512(block.size + half * kHalfLanes);
      const __m512i offset = _mm512_sub_epi32(_mm512_set1_epi32(unit.first_key + key), begin);
      seen = _mm512_mask_cmplt_epu32_mask(seen, offset, size);
    }
    return _mm512_mask_mov_ps(_mm512_set1_ps(-std::numeric_limits<float>::infinity()), seen, score);
  }

 private:
  /// Coefficients of 2^f on [0, 1), lowest first: minimax in relative error with the first one held at 1.
  /// Errors 8.6e-5 and 8.2e-8.
  static constexpr float kThird[] = {1.0F, 0.69511679F, 0.22764499F, 0.07706704F};
  static constexpr float kFifth[] = {1.0F,          0.6931513118F,   0.2401644502F,
                                     0.0557999131F, 0.009017030316F, 0.001867130072F};
  static constexpr float kHalfUlp = 1.0F / 256;

  template <int Half>
  ATTNBENCH_SIMD_INLINE void add_whole(const float* s, std::uint32_t* w) {
    ATTNBENCH_UNROLL
    for (int key = 0; key < kStepKeys; key += 2, s += 2 * kLanes, w += kLanes) {
      add_pair<Half>(_mm512_load_ps(s + Half * kHalfLanes), _mm512_load_ps(s + kLanes + Half * kHalfLanes),
                     w);
    }
  }

  template <int Half>
  ATTNBENCH_SIMD_INLINE void add_edge(const Unit& unit, int key, const float* s, std::uint32_t* w) {
    if (key >= unit.end[Half] || key + kStepKeys <= unit.begin[Half]) {
      for (int pair = 0; pair < kStepKeys / 2; ++pair) {
        _mm512_store_si512(w + pair * kLanes + Half * kHalfLanes, _mm512_setzero_si512());
      }
    } else if (!unit.masked[Half] && key >= unit.begin[Half] && key + kStepKeys <= unit.end[Half]) {
      add_whole<Half>(s, w);
    } else {
      for (int k = 0; k < kStepKeys; k += 2, s += 2 * kLanes, w += kLanes) {
        add_pair<Half>(
            visible(block_, unit, Half, key + k, _mm512_load_ps(s + Half * kHalfLanes)),
            visible(block_, unit, Half, key + k + 1, _mm512_load_ps(s + kLanes + Half * kHalfLanes)), w);
      }
    }
  }

  template <int Half>
  ATTNBENCH_SIMD_INLINE void add_pair(__m512 first, __m512 second, std::uint32_t* w) {
    first = weight(_mm512_fmsub_ps(first, scale_, maximum_[Half]));
    second = weight(_mm512_fmsub_ps(second, scale_, maximum_[Half]));
    if constexpr (WithLse) {
      sum_[Half] = _mm512_add_ps(sum_[Half], _mm512_add_ps(first, second));
      first = rounded(first);
      second = rounded(second);
    }
    // The upper half of each word of `first` below that of `second`, in one operation.
    const __m512i upper_to_lower = _mm512_set4_epi32(0x0f0e0f0e, 0x0b0a0b0a, 0x07060706, 0x03020302);
    const __m512i pair = _mm512_mask_shuffle_epi8(_mm512_castps_si512(second), 0x3333333333333333U,
                                                  _mm512_castps_si512(first), upper_to_lower);
    top_ = _mm512_max_epu16(top_, pair);
    _mm512_store_si512(w + Half * kHalfLanes, pair);
  }

  /// 2^x; of minus infinity 0.
  ATTNBENCH_SIMD_INLINE static __m512 weight(__m512 x) {
    constexpr int kFractionAboveFloor = 0x09;  // round down, no exceptions
    const __m512 f = _mm512_reduce_ps(x, kFractionAboveFloor);
    constexpr int kDegree = WithLse ? 5 : 3;
    constexpr auto* c = WithLse ? kFifth : kThird;
    __m512 p = _mm512_set1_ps(c[kDegree]);
    ATTNBENCH_UNROLL
    for (int k = kDegree - 1; k > 0; --k) p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(c[k]));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(c[0] + (WithLse ? 0.0F : kHalfUlp)));
    return _mm512_scalef_ps(p, x);
  }
  ATTNBENCH_SIMD_INLINE static __m512 rounded(__m512 p) {
    return _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(p), _mm512_set1_epi32(0x8000)));
  }

  const Block& block_;
  const float* scores_;
  std::uint32_t* weights_;
  __m512 scale_;
  __m512 maximum_[2];
  __m512 sum_[2];
  __m512i top_;
};

}  // namespace
}  // namespace attnbench::cpu::fused
