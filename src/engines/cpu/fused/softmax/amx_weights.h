#pragma once

// Softmax weights of the AMX kernels: scores of a unit in f32 become bf16, [row][keys j and 16 + j in
// pairs]. Two ways, both under the running maximum; no pass looks for it.
//  * In fixed point, where nobody asks for the log-sum-exp: one FMA leaves 128 (score - maximum) as an
//    integer in the low half of a float, which is a bf16 number's exponent and mantissa but for the
//    difference between 2^f and 1 + f: a table of 64 bytes holds that, at most 11 units in the last place.
//    Errors of a weight: 0.23 % rms and 0.72 % at most, where rounding to bf16 alone has 0.17 and 0.39 %;
//    both average out over keys, and the sums are those of the weights as they are. 8 operations for 32
//    weights, of which 6 integer: beside tile products an Intel core runs FMAs on one port only but integer
//    operations on the other one too, so that 2^x by reduce, three FMAs and scalef, 14 operations of which 12
//    wait for that port, was slower. So were eight bits of fraction instead of seven, an operation more.
//  * By a polynomial, where the log-sum-exp is wanted or a score is out of fixed point's range: more than 8
//    above the maximum, which is then raised, or more than 504 below, or not a number. So are all scores of a
//    row whose maximum is beyond kFixedPointMaximum.
#include <limits>

#include "engines/cpu/fused/avx512.h"
#include "engines/cpu/fused/softmax/amx_unit.h"
#include "engines/cpu/fused/softmax/avx512_bf16.h"
#include "engines/cpu/fused/softmax/block.h"

namespace attnbench::cpu::fused {
namespace {

/// bytes[y / 2 % 64] is what 1 + f exceeds 2^f by, f = y % 128 / 128, in units of 2^-7 and rounded for both
/// y; added to the low byte of Weights::kExcess.
struct alignas(64) MantissaTable {
  std::uint8_t bytes[64];
  constexpr MantissaTable() : bytes() {
    constexpr double kRoot = 1.0054299011128028;  // 2^(1/128)
    double power = 1;
    for (int n = 0; n < 64; ++n, power *= kRoot * kRoot) {
      const double excess = 2 * n + 0.5 - 128 * (power * (1 + kRoot) / 2 - 1);
      bytes[n] = static_cast<std::uint8_t>(0x80 + static_cast<int>(excess + 0.5));
    }
  }
};
inline constexpr MantissaTable kMantissaTable;

template <bool WithLse>
class Weights {
 public:
  /// Fixed point, under AmxState::offset of each row. False, and weights are useless, where a score is out of
  /// range.
  ATTNBENCH_SIMD_INLINE static bool in_fixed_point(Block& block, const Unit& unit, const std::byte* scores,
                                                   std::byte* weights) {
    const Constants c(block);
    __m512i strays = _mm512_setzero_si512();
    ATTNBENCH_UNROLL
    for (int half = 0; half < 2; ++half) {
      if (!unit.reads(half)) continue;
      const auto* s = scores + half * 2 * kTileBytes;
      auto* w = weights + half * kTileBytes;
      const float* offset = state_of(block).offset + half * kTileRows;
      if (unit.whole(half)) [[likely]] {
        ATTNBENCH_UNROLL
        for (int r = 0; r < kTileRows; ++r) {
          const __m512 row = _mm512_set1_ps(offset[r]);
          store_row(c, fixed(c, s, r, row), fixed(c, s + kTileBytes, r, row), strays, w + r * kTileRowBytes);
        }
      } else {
        // Hidden scores may be out of range too: no more than a false alarm.
        alignas(64) std::uint32_t seen[kTileRows];
        _mm512_store_si512(seen, pairwise(keys_seen(block, unit, half)));
        ATTNBENCH_UNROLL
        for (int r = 0; r < kTileRows; ++r) {
          const __m512 row = _mm512_set1_ps(offset[r]);
          store_row(c, fixed(c, s, r, row), fixed(c, s + kTileBytes, r, row), strays, w + r * kTileRowBytes,
                    seen[r]);
        }
      }
    }
    return _mm512_test_epi32_mask(strays, _mm512_set1_epi32(kUpperHalves)) == 0;
  }

  /// The same of a half whose scores are two tiles, [key][row]: words of keys j and 16 + j, [j][row].
  ATTNBENCH_SIMD_INLINE static bool in_fixed_point(Block& block, int half, const std::byte* scores,
                                                   std::byte* words) {
    const Constants c(block);
    const __m512 offset = _mm512_load_ps(state_of(block).offset + half * kTileRows);
    __m512i strays = _mm512_setzero_si512();
    ATTNBENCH_UNROLL
    for (int j = 0; j < kTileRows; ++j) {
      store_row(c, fixed(c, scores, j, offset), fixed(c, scores + kTileBytes, j, offset), strays,
                words + j * kTileRowBytes);
    }
    return _mm512_test_epi32_mask(strays, _mm512_set1_epi32(kUpperHalves)) == 0;
  }

  /// By a polynomial, under maxima that no score exceeds by much. Adds to the row sums where the log-sum-exp
  /// is wanted.
  ATTNBENCH_SIMD __attribute__((noinline)) static void by_polynomial(Block& block, const Unit& unit,
                                                                     const std::byte* scores,
                                                                     std::byte* weights) {
    const __m512 scale = _mm512_set1_ps(block.scale_log2);
    const Seen halves[] = {{block, unit, 0}, {block, unit, 1}};
    for (int row = 0; row < kLanes; ++row) {
      const int half = row / kTileRows;
      if (!unit.reads(half)) continue;
      const __m512 maximum = _mm512_set1_ps(block.maximum[row]);
      __m512 s[2];
      load_visible(halves[half], scores, row, s);
      const __m512 both = weigh_pair(s, maximum, scale, weights + row * kTileRowBytes);
      if constexpr (WithLse) {
        float* sum = reinterpret_cast<float*>(sums_of(block)) + row * kTileRows;
        _mm512_store_ps(sum, _mm512_add_ps(_mm512_load_ps(sum), both));
      }
    }
  }
  /// The same of a half whose scores are two tiles, [key][row]; sums go to Block::sum.
  ATTNBENCH_SIMD_INLINE static void by_polynomial(Block& block, int half, const std::byte* scores,
                                                  std::byte* words) {
    const __m512 scale = _mm512_set1_ps(block.scale_log2);
    const __m512 maximum = _mm512_load_ps(block.maximum + half * kHalfLanes);
    __m512 sum = _mm512_setzero_ps();
    for (int j = 0; j < kTileRows; ++j, scores += kTileRowBytes) {
      __m512 s[2] = {_mm512_load_ps(scores), _mm512_load_ps(scores + kTileBytes)};
      sum = _mm512_add_ps(sum, weigh_pair(s, maximum, scale, words + j * kTileRowBytes));
    }
    if constexpr (WithLse) {
      float* to = block.sum + half * kHalfLanes;
      _mm512_store_ps(to, _mm512_add_ps(_mm512_load_ps(to), sum));
    }
  }

  /// Keys of a unit that the rows of a half may see.
  struct Seen {
    ATTNBENCH_SIMD_INLINE Seen(const Block& block, const Unit& unit, int half) : whole(unit.whole(half)) {
      if (!whole) _mm512_store_si512(rows, keys_seen(block, unit, half));
    }
    alignas(64) std::uint32_t rows[kTileRows];
    bool whole;
  };
  /// A row's scores of a unit, minus infinity where it may not see the key.
  ATTNBENCH_SIMD_INLINE static void load_visible(const Seen& seen, const std::byte* scores, int row,
                                                 __m512 (&s)[2]) {
    const auto* tile = scores + row / kTileRows * 2 * kTileBytes + row % kTileRows * kTileRowBytes;
    s[0] = _mm512_load_ps(tile);
    s[1] = _mm512_load_ps(tile + kTileBytes);
    if (seen.whole) return;
    const auto keys = seen.rows[row % kTileRows];
    const __m512 hidden = _mm512_set1_ps(-std::numeric_limits<float>::infinity());
    s[0] = _mm512_mask_mov_ps(hidden, static_cast<__mmask16>(keys), s[0]);
    s[1] = _mm512_mask_mov_ps(hidden, static_cast<__mmask16>(keys >> 16), s[1]);
  }

  /// Of 16 rows under a maximum of 0.
  ATTNBENCH_SIMD_INLINE static __m512 of_rows(const Block& block, __m512 scores) {
    const __m512 x = _mm512_mul_ps(scores, _mm512_set1_ps(block.scale_log2));
    return power_of_two<5>(x);
  }

  /// Maxima for rows whose largest scores are `tops`, and AmxState::offset for them: a whole number of powers
  /// of two, so that kTop - 128 maximum is exact and a score of the whole number leaves exactly kTop. Beyond
  /// kFixedPointMaximum neither the number as a score nor the FMA's product is close enough: there the
  /// maximum is the top itself, and no score is within range of an offset of infinity.
  struct Raised {
    __m512 maximum, offset;
  };
  ATTNBENCH_SIMD_INLINE static Raised raised(const Block& block, __m512 tops) {
    const __m512 scale = _mm512_set1_ps(block.scale_log2);
    const __m512 whole =
        _mm512_roundscale_ps(_mm512_mul_ps(tops, scale), _MM_FROUND_TO_POS_INF | _MM_FROUND_NO_EXC);
    const __mmask16 near =
        _mm512_cmp_ps_mask(_mm512_abs_ps(whole), _mm512_set1_ps(kFixedPointMaximum), _CMP_LE_OQ);
    const __m512 offset = _mm512_fnmadd_ps(whole, _mm512_set1_ps(kUnitsOfOne), _mm512_set1_ps(kTop));
    return {_mm512_mask_div_ps(tops, near, whole, scale),
            _mm512_mask_mov_ps(_mm512_set1_ps(kOutOfRange), near, offset)};
  }
  /// Fixed point has 7 bits of fraction, as a mantissa of bf16. Its range of 2^16 ends at 2^24 as a float,
  /// for a score of kLazyRise above the maximum.
  static constexpr float kUnitsOfOne = 128;
  /// AmxState::offset for a maximum of 0.
  static constexpr float kTop = 16777216.0F - kUnitsOfOne * kLazyRise;
  /// AmxState::offset under which every score is out of range.
  static constexpr float kOutOfRange = std::numeric_limits<float>::infinity();

  /// 2^x; of minus infinity 0.
  template <int Degree = WithLse ? 5 : 3>
  ATTNBENCH_SIMD_INLINE static __m512 power_of_two(__m512 x) {
    constexpr int kFractionAboveFloor = 0x09;  // round down, no exceptions
    const __m512 f = _mm512_reduce_ps(x, kFractionAboveFloor);
    constexpr auto* c = Degree == 5 ? kFifth : kThird;
    __m512 p = _mm512_set1_ps(c[Degree]);
    ATTNBENCH_UNROLL
    for (int k = Degree - 1; k > 0; --k) p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(c[k]));
    p = _mm512_fmadd_ps(p, f, _mm512_set1_ps(c[0] + (Degree == 5 ? 0.0F : kHalfUlp)));
    return _mm512_scalef_ps(p, x);
  }

 private:
  /// Scores of two keys become weights, stored as bf16 pairs. Their sum, before they are rounded.
  ATTNBENCH_SIMD_INLINE static __m512 weigh_pair(__m512 (&s)[2], __m512 maximum, __m512 scale,
                                                 std::byte* to) {
    const __m512i upper_to_lower = _mm512_set4_epi32(0x0f0e0f0e, 0x0b0a0b0a, 0x07060706, 0x03020302);
    for (auto& x : s) x = power_of_two(_mm512_mul_ps(_mm512_sub_ps(x, maximum), scale));
    const __m512 both = _mm512_add_ps(s[0], s[1]);
    if constexpr (WithLse) {
      for (auto& x : s) {
        x = _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(x), _mm512_set1_epi32(0x8000)));
      }
    }
    const __m512i pairs = _mm512_mask_shuffle_epi8(_mm512_castps_si512(s[1]), 0x3333333333333333U,
                                                   _mm512_castps_si512(s[0]), upper_to_lower);
    _mm512_store_si512(to, pairs);
    return both;
  }

  /// In powers of two: there the whole number, rounded to a score, is off by less than 2^-11 of them.
  static constexpr float kFixedPointMaximum = 4096;
  static constexpr int kRangeBits = 0x4b7f0000;  ///< floats in [2^24 - 2^16, 2^24) have this upper half
  /// A weight of 1 is 2^16 - 128 * 8 in fixed point and 0x3f80 in bf16.
  static constexpr int kExcess = 0x10000 - 128 * 8 - 0x3f80;
  static_assert(kLazyRise == 8.0F && kExcess == 0xbc80);

  struct Constants {
    ATTNBENCH_SIMD_INLINE explicit Constants(const Block& block)
        : scale(_mm512_set1_ps(block.scale_log2 * kUnitsOfOne)),
          range(_mm512_set1_epi32(kRangeBits)),
          excess(_mm512_set1_epi16(static_cast<short>(kExcess))),
          table(_mm512_load_si512(&kMantissaTable)),
          lower_to_upper(_mm512_set4_epi32(0x0d0c0d0c, 0x09080908, 0x05040504, 0x01000100)) {}
    __m512 scale;
    __m512i range, excess, table, lower_to_upper;
  };

  /// A row a lane: bit j stands for key j.
  ATTNBENCH_SIMD_INLINE static __m512i keys_seen(const Block& block, const Unit& unit, int half) {
    const __m512i all = _mm512_set1_epi32(-1);
    const auto upto = [](int key) { return key >= kUnitKeys ? 0xffffffffU : (1U << key) - 1; };
    const auto range = upto(unit.end[half]) & ~upto(unit.begin[half]);
    const __m512i keys = _mm512_set1_epi32(static_cast<int>(range));
    if (!unit.masked[half]) return keys;
    const int lane = half * kTileRows;
    const __m512i begin =
        _mm512_sub_epi32(_mm512_load_si512(block.begin + lane), _mm512_set1_epi32(unit.first_key));
    const __m512i end = _mm512_add_epi32(begin, _mm512_load_si512(block.size + lane));
    const __m512i zero = _mm512_setzero_si512();
    // Shifts by 32 and more leave nothing.
    const __m512i from = _mm512_sllv_epi32(all, _mm512_max_epi32(begin, zero));
    const __m512i behind = _mm512_sllv_epi32(all, _mm512_max_epi32(end, zero));
    return _mm512_and_si512(keys, _mm512_andnot_si512(behind, from));
  }
  /// Bits j and 16 + j side by side.
  ATTNBENCH_SIMD_INLINE static __m512i pairwise(__m512i bits) {
    bits = exchange<8>(bits, 0x0000ff00);
    bits = exchange<4>(bits, 0x00f000f0);
    bits = exchange<2>(bits, 0x0c0c0c0c);
    return exchange<1>(bits, 0x22222222);
  }
  /// Exchanges the bits of `mask` with those `Shift` above.
  template <int Shift>
  ATTNBENCH_SIMD_INLINE static __m512i exchange(__m512i bits, int mask) {
    const __m512i difference =
        _mm512_and_si512(_mm512_xor_si512(bits, _mm512_srli_epi32(bits, Shift)), _mm512_set1_epi32(mask));
    return _mm512_xor_si512(bits, _mm512_xor_si512(difference, _mm512_slli_epi32(difference, Shift)));
  }

  ATTNBENCH_SIMD_INLINE static __m512i fixed(const Constants& c, const std::byte* tile, int row,
                                             __m512 offset) {
    return _mm512_castps_si512(_mm512_fmadd_ps(_mm512_load_ps(tile + row * kTileRowBytes), c.scale, offset));
  }
  /// Two vectors of fixed-point numbers as bf16 pairs; differences from the range gather in `strays`.
  ATTNBENCH_SIMD_INLINE static void store_row(const Constants& c, __m512i first, __m512i second,
                                              __m512i& strays, std::byte* to, __mmask32 seen = 0xffffffffU) {
    constexpr int kOrDifference = 0xf6;  // a | (b ^ c)
    strays = _mm512_ternarylogic_epi32(strays, first, c.range, kOrDifference);
    strays = _mm512_ternarylogic_epi32(strays, second, c.range, kOrDifference);
    const __m512i y = _mm512_mask_shuffle_epi8(first, 0xccccccccccccccccU, second, c.lower_to_upper);
    const __m512i excess =
        _mm512_mask_permutexvar_epi8(c.excess, 0x5555555555555555U, _mm512_srli_epi16(y, 1), c.table);
    _mm512_store_si512(to, _mm512_maskz_subs_epu16(seen, y, excess));
  }

  /// Coefficients of 2^f on [0, 1), lowest first: minimax in relative error with the first one held at 1.
  /// Errors 8.6e-5 and 8.2e-8. Without the log-sum-exp half a bf16 ulp is added to the constant term, so that
  /// truncation rounds to nearest.
  static constexpr float kThird[] = {1.0F, 0.69511679F, 0.22764499F, 0.07706704F};
  static constexpr float kFifth[] = {1.0F,          0.6931513118F,   0.2401644502F,
                                     0.0557999131F, 0.009017030316F, 0.001867130072F};
  static constexpr float kHalfUlp = 1.0F / 256;
};

}  // namespace
}  // namespace attnbench::cpu::fused
