// The products of the portable tile kernel: S^T = K Q^T and O^T += V^T P^T, queries as lanes, elements of K
// and V broadcast. Included once for each target. Rows of two-byte elements are widened as they are needed, a
// group of rows of K and 16 columns of V at a time: 3-4 % at D = 64 (256 bits, Zen 4). No faster, all within
// the 3 % by which runs differ there (f32, 256 bits): V copied to rows of 16 columns, the words of a run
// unrolled, the next keys prefetched.
#if defined(ATTNBENCH_PORTABLE_PRODUCTS_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTNBENCH_PORTABLE_PRODUCTS_H
#undef ATTNBENCH_PORTABLE_PRODUCTS_H
#else
#define ATTNBENCH_PORTABLE_PRODUCTS_H
#endif

#include <algorithm>
#include <limits>
#include <type_traits>

#include "engines/cpu/fused/softmax/portable_vectors.h"

HWY_BEFORE_NAMESPACE();
namespace attnbench::cpu::fused::HWY_NAMESPACE {

/// Sums in registers, 12 of 16 or 16 of 32: of scores kScoreVectors vectors of lanes x kScoreKeys keys, of
/// output kValueVectors x some columns. 256 bits: 4 x 3 takes 7 loads for 12 multiply-adds where 2 x 6 takes
/// 8, which counts where a neighbour shares the core. With that, longer runs and begin() and finish() less
/// busy, shares of the FMA ceiling went from 62 / 65 to 73 / 75 % (f32, D = 64 / 128, N = 1024) and from 52 /
/// 68 to 71 / 72 % (bf16) on a shared Zen 3; output of 4 x 3 columns was no faster there. On Zen 4, 2 x 4, 2
/// x 5 and 2 x 6 were equal within 3 %, as were 2 x 8 and 2 x 12 of 512 bits. Four lanes x 32 registers
/// (NEON): 24 sums, by count of loads, not measured.
inline constexpr int kScoreVectors = kWidth == 16 ? 2 : 4;
inline constexpr int kScoreKeys = kRegisters == 16 ? 3 : kWidth == 16 ? 8 : 6;
/// The same for half of the lanes.
inline constexpr int kHalfScoreKeys = kRegisters == 16 && kWidth == 8 ? 6 : kScoreKeys;
inline constexpr int kValueVectors = kRegisters == 32 && kWidth == 4 ? 4 : 2;
inline constexpr int kScoreLanes = kScoreVectors * kWidth;
inline constexpr int kValueLanes = kValueVectors * kWidth;
/// Words of a product that are summed on their own: a sum of n equal terms in one chain has the rounding
/// error of its last and largest steps. Runs of 16 words have the same largest error over the tests.
inline constexpr std::int64_t kRunWords = 4 * kHeadDimUnit;

HWY_INLINE int first_lane(Halves halves) { return halves == Halves::high ? kHalfLanes : 0; }
HWY_INLINE int end_lane(Halves halves) { return halves == Halves::low ? kHalfLanes : kLanes; }

/// sums[e][First + v] += elements[e * stride] * lanes[First + v]; the fewer of both stay in registers.
template <int Elements, int First, int Count, int All>
HWY_INLINE void multiply_add(const float* elements, std::int64_t stride, const float* lanes,
                             Vector (&sums)[Elements][All]) {
  const D d;
  if constexpr (Elements < Count) {
    Vector element[Elements];
    HWY_UNROLL(16)
    for (int e = 0; e < Elements; ++e) element[e] = hn::Set(d, elements[e * stride]);
    HWY_UNROLL(4)
    for (int v = First; v < First + Count; ++v) {
      const auto lane = load(lanes + v * kWidth);
      HWY_UNROLL(16)
      for (int e = 0; e < Elements; ++e) sums[e][v] = hn::MulAdd(element[e], lane, sums[e][v]);
    }
  } else {
    Vector lane[Count];
    HWY_UNROLL(4)
    for (int v = 0; v < Count; ++v) lane[v] = load(lanes + (First + v) * kWidth);
    HWY_UNROLL(16)
    for (int e = 0; e < Elements; ++e) {
      const auto element = hn::Set(d, elements[e * stride]);
      HWY_UNROLL(4)
      for (int v = 0; v < Count; ++v) sums[e][First + v] = hn::MulAdd(element, lane[v], sums[e][First + v]);
    }
  }
}

template <typename T>
class Products {
 public:
  /// Scores of a span as [key][lane], and their maxima by lane into `top`; returns where those of the next
  /// one go.
  HWY_INLINE static float* score_span(Block& block, const KeySpan& span, float* to, float* top) {
    std::int32_t key = 0;
    const auto advance = [&](auto keys) HWY_ATTR {
      constexpr int kKeys = decltype(keys)::value;
      score_group<kKeys>(block, span, key, to, top);
      key += kKeys;
      to += kKeys * kLanes;
    };
    if constexpr (kHalfScoreKeys > kScoreKeys) {
      while (span.halves != Halves::both && key + kHalfScoreKeys <= span.keys) {
        advance(std::integral_constant<int, kHalfScoreKeys>());
      }
    }
    while (key + kScoreKeys <= span.keys) advance(std::integral_constant<int, kScoreKeys>());
    if constexpr (kScoreKeys > 4) {
      if (key + 4 <= span.keys) advance(std::integral_constant<int, 4>());
    }
    if (key + 2 <= span.keys) advance(std::integral_constant<int, 2>());
    if (key < span.keys) advance(std::integral_constant<int, 1>());
    return to;
  }

  /// output += V^T P^T over all spans.
  HWY_INLINE static void add_values(Block& block, const KeySpan* first, const KeySpan* last) {
    for (std::int64_t unit = 0; unit < block.head_dim_v; unit += kHeadDimUnit) {
      if constexpr (kWiden) {
        float* to = block.scores;
        for (const auto* span = first; span != last; ++span) {
          const std::byte* v = span->v;
          for (std::int32_t key = 0; key < span->keys; ++key, v += span->v_stride_bytes, to += kHeadDimUnit) {
            widen(row(v) + unit, kHeadDimUnit, to);
          }
        }
      }
      if constexpr (kValueVectors == 2 && kRegisters == 32) {
        add_columns<8>(block, first, last, unit, 0);
        add_columns<8>(block, first, last, unit, 8);
      } else {
        add_columns<6>(block, first, last, unit, 0);
        add_columns<6>(block, first, last, unit, 6);
        add_columns<4>(block, first, last, unit, 12);
      }
    }
  }

 private:
  static constexpr bool kWiden = !std::is_same_v<T, float>;

  HWY_INLINE static const T* row(const std::byte* address) { return reinterpret_cast<const T*>(address); }

  template <int Keys>
  HWY_NOINLINE static void score_group(Block& block, const KeySpan& span, std::int32_t key, float* to,
                                       float* top) {
    const float* k;
    std::int64_t stride;
    if constexpr (kWiden) {
      for (int j = 0; j < Keys; ++j) {
        widen(row(span.k + (key + j) * span.k_stride_bytes), block.head_dim_qk,
              block.scores + j * block.head_dim_qk);
      }
      k = block.scores;
      stride = block.head_dim_qk;
    } else {
      k = reinterpret_cast<const float*>(span.k + key * span.k_stride_bytes);
      stride = span.k_stride_bytes / static_cast<std::int64_t>(sizeof(float));
    }
    const auto first_key = span.first_key + key;
    const bool masked = first_key < span.full_begin || first_key + Keys > span.full_end;
    if (kScoreLanes == kLanes && span.halves != Halves::both) {
      score_lanes<Keys, kHalfLanes / kWidth>(block, first_lane(span.halves), k, stride, first_key, masked, to,
                                             top);
      return;
    }
    if constexpr (Keys <= kScoreKeys) {
      for (int lane = first_lane(span.halves); lane < end_lane(span.halves); lane += kScoreLanes) {
        score_lanes<Keys, kScoreVectors>(block, lane, k, stride, first_key, masked, to, top);
      }
    }
  }

  template <int Keys, int Count>
  HWY_INLINE static void score_lanes(const Block& block, int lane, const float* k, std::int64_t stride,
                                     std::int32_t first_key, bool masked, float* to, float* top) {
    const D d;
    Vector s[Keys][Count];
    const auto* q = reinterpret_cast<const float*>(block.queries) + lane;
    to += lane;
    for (std::int64_t word = 0;; word += kRunWords) {
      HWY_UNROLL(16)
      for (int j = 0; j < Keys; ++j) {
        HWY_UNROLL(4)
        for (int v = 0; v < Count; ++v) s[j][v] = hn::Zero(d);
      }
      const auto words = std::min(kRunWords, block.head_dim_qk - word);
      for (std::int64_t w = 0; w < words; ++w, q += kLanes) {
        multiply_add<Keys, 0, Count>(k + word + w, stride, q, s);
      }
      if (word > 0) {
        HWY_UNROLL(16)
        for (int j = 0; j < Keys; ++j) {
          HWY_UNROLL(4)
          for (int v = 0; v < Count; ++v) s[j][v] = hn::Add(s[j][v], load(to + j * kLanes + v * kWidth));
        }
      }
      if (word + kRunWords >= block.head_dim_qk) break;
      HWY_UNROLL(16)
      for (int j = 0; j < Keys; ++j) {
        HWY_UNROLL(4)
        for (int v = 0; v < Count; ++v) store(s[j][v], to + j * kLanes + v * kWidth);
      }
    }
    if (masked) hide<Keys, Count>(block, lane, first_key, s);
    HWY_UNROLL(4)
    for (int v = 0; v < Count; ++v) {
      auto most = load(top + lane + v * kWidth);
      HWY_UNROLL(16)
      for (int j = 0; j < Keys; ++j) {
        most = hn::Max(most, s[j][v]);
        store(s[j][v], to + j * kLanes + v * kWidth);
      }
      store(most, top + lane + v * kWidth);
    }
  }

  /// Scores of keys that a lane may not see become minus infinity.
  template <int Keys, int Count>
  HWY_INLINE static void hide(const Block& block, int lane, std::int32_t first_key,
                              Vector (&s)[Keys][Count]) {
    const D d;
    const hn::RebindToSigned<D> di;
    const auto hidden = hn::Set(d, -std::numeric_limits<float>::infinity());
    HWY_UNROLL(4)
    for (int v = 0; v < Count; ++v) {
      const auto begin = hn::LoadU(di, block.begin + lane + v * kWidth);
      const auto end = hn::Add(begin, hn::LoadU(di, block.size + lane + v * kWidth));
      HWY_UNROLL(16)
      for (int j = 0; j < Keys; ++j) {
        const auto key = hn::Set(di, first_key + j);
        const auto seen = hn::AndNot(hn::Lt(key, begin), hn::Lt(key, end));
        s[j][v] = hn::IfThenElse(hn::RebindMask(d, seen), s[j][v], hidden);
      }
    }
  }

  template <int Columns>
  HWY_NOINLINE static void add_columns(Block& block, const KeySpan* first, const KeySpan* last,
                                       std::int64_t unit, int column) {
    for (int lane = 0; lane < kLanes; lane += kValueLanes) {
      Vector o[Columns][kValueVectors];
      float* output = block.output + (unit + column) * kLanes + lane;
      HWY_UNROLL(16)
      for (int c = 0; c < Columns; ++c) {
        HWY_UNROLL(4)
        for (int v = 0; v < kValueVectors; ++v) {
          o[c][v] = block.empty ? hn::Zero(D()) : load(output + c * kLanes + v * kWidth);
        }
      }
      const auto* p = reinterpret_cast<const float*>(block.weights) + lane;
      const float* widened = block.scores + column;
      for (const auto* span = first; span != last; ++span) {
        const float* v = kWiden ? widened : reinterpret_cast<const float*>(span->v) + unit + column;
        const auto stride =
            kWiden ? kHeadDimUnit : span->v_stride_bytes / static_cast<std::int64_t>(sizeof(float));
        if (kValueLanes == kLanes && span->halves != Halves::both) {
          constexpr int kHalf = kValueVectors / 2;
          if (span->halves == Halves::low) {
            add_products<Columns, 0, kHalf>(p, v, stride, span->keys, o);
          } else {
            add_products<Columns, kHalf, kHalf>(p, v, stride, span->keys, o);
          }
        } else if (first_lane(span->halves) <= lane && lane < end_lane(span->halves)) {
          add_products<Columns, 0, kValueVectors>(p, v, stride, span->keys, o);
        }
        p += span->keys * kLanes;
        widened += span->keys * kHeadDimUnit;
      }
      HWY_UNROLL(16)
      for (int c = 0; c < Columns; ++c) {
        HWY_UNROLL(4)
        for (int v = 0; v < kValueVectors; ++v) store(o[c][v], output + c * kLanes + v * kWidth);
      }
    }
  }

  template <int Columns, int First, int Count>
  HWY_INLINE static void add_products(const float* p, const float* v, std::int64_t stride, std::int32_t keys,
                                      Vector (&o)[Columns][kValueVectors]) {
    for (std::int32_t key = 0; key < keys; ++key, p += kLanes, v += stride) {
      multiply_add<Columns, First, Count>(v, 1, p, o);
    }
  }
};

}  // namespace attnbench::cpu::fused::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
