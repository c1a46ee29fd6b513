// The tile kernel of the portable path: S^T = K Q^T with queries as lanes, elements of K and V broadcast.
// Included once for each target. Scores of all keys of a call come first and pass through softmax together,
// so that maxima rise at most once a call, before any weight exists. bf16 rows are widened as they are
// needed, 6-8 rows of K and 16 columns of V at a time: 3-4 % at D = 64 (256 bits, Zen 4). No faster, all
// within the 3 % by which runs differ (f32, 256 bits): V copied to rows of 16 columns, four keys'
// exponentials side by side, the words of a run unrolled, the next keys prefetched.
#if defined(ATTNBENCH_PORTABLE_TILE_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTNBENCH_PORTABLE_TILE_H
#undef ATTNBENCH_PORTABLE_TILE_H
#else
#define ATTNBENCH_PORTABLE_TILE_H
#endif

#include <limits>
#include <type_traits>

#include "engines/cpu/fused/softmax/portable_vectors.h"

HWY_BEFORE_NAMESPACE();
namespace attnbench::cpu::fused::HWY_NAMESPACE {

/// Sums in registers: kVectors vectors of lanes x kGroup keys, or columns of V: 12 of 16 registers, 16 of 32.
/// On Zen 4 (f32, D = 64 and 128) 2 x 4, 2 x 5 and 2 x 6 of 256 bits are equal within 3 %, as are 2 x 8 and
/// 2 x 12 of 512 bits. Four lanes x 32 registers (NEON): 24 sums, by count of loads, not measured.
inline constexpr int kVectors = kRegisters == 32 && kWidth == 4 ? 4 : 2;
inline constexpr int kGroup = kRegisters == 32 && kWidth == 16 ? 8 : 6;
inline constexpr int kBlockLanes = kVectors * kWidth;
/// Words of a product that are summed on their own: a sum of n equal terms in one chain has the rounding
/// error of its last and largest steps. One chain of 64: 83 / 80 % (f32, 256 bits, D = 64 / 128).
inline constexpr int kRunWords = kHeadDimUnit;

template <typename T>
class Tile {
 public:
  /// Packs Q as [column][lane].
  static void begin(Block& block) {
    const Quarter d;
    auto* packed = reinterpret_cast<float*>(block.queries);
    for (int lane = 0; lane < kLanes; lane += 4) {
      for (std::int64_t column = 0; column < block.head_dim_qk; column += 4) {
        hn::Vec<Quarter> rows[4];
        HWY_UNROLL(4)
        for (int r = 0; r < 4; ++r) {
          rows[r] = hn::Zero(d);
          if (lane + r < block.rows && block.q_factor != 0) {
            rows[r] = hn::Mul(hn::Set(d, block.q_factor), load_elements(d, row(block.q[lane + r]) + column));
          }
        }
        transpose_4x4(d, rows);
        HWY_UNROLL(4)
        for (int c = 0; c < 4; ++c) hn::StoreU(rows[c], d, packed + (column + c) * kLanes + lane);
      }
    }
    for (int lane = 0; lane < kLanes; lane += kWidth) {
      store(hn::Set(D(), kNoMaximum), block.maximum + lane);
      store(hn::Zero(D()), block.sum + lane);
    }
    block.empty = true;
  }

  static void attend(Block& block, std::span<const KeySpan> spans) {
    const KeySpan* const first = spans.data();
    const KeySpan* const last = first + spans.size();
    alignas(64) float top[kLanes];
    for (int lane = 0; lane < kLanes; lane += kWidth) {
      store(hn::Set(D(), -std::numeric_limits<float>::infinity()), top + lane);
    }
    auto* weights = reinterpret_cast<float*>(block.weights);
    float* to = weights;
    for (const auto* span = first; span != last; ++span) to = score_span(block, *span, to, top);
    raise(block, top);
    to = weights;
    for (const auto* span = first; span != last; to += span->keys * kLanes, ++span) weigh(block, *span, to);
    add_values(block, first, last);
    block.empty = false;
  }

  static void finish(Block& block) {
    const Quarter d;
    for (int lane = 0; lane < block.rows; lane += 4) {
      const auto one = hn::Set(d, 1.0F);
      const auto factor = block.partial != nullptr ? one : hn::Div(one, hn::LoadU(d, block.sum + lane));
      for (std::int64_t column = 0; column < block.head_dim_v; column += 4) {
        hn::Vec<Quarter> rows[4];
        HWY_UNROLL(4)
        for (int c = 0; c < 4; ++c) {
          rows[c] = hn::Mul(factor, hn::LoadU(d, block.output + (column + c) * kLanes + lane));
        }
        transpose_4x4(d, rows);
        HWY_UNROLL(4)
        for (int r = 0; r < 4; ++r) {
          if (lane + r >= block.rows) break;
          if (block.partial != nullptr) {
            hn::StoreU(rows[r], d, block.partial + (lane + r) * block.head_dim_v + column);
          } else {
            store_elements(d, rows[r], reinterpret_cast<T*>(block.o[lane + r]) + column);
          }
        }
      }
    }
    if (block.partial != nullptr) return;
    for (int r = 0; r < block.rows; ++r) {
      if (block.lse[r] != nullptr) *block.lse[r] = natural_lse(block.maximum[r], block.sum[r]);
    }
  }

 private:
  static constexpr bool kWiden = !std::is_same_v<T, float>;

  HWY_INLINE static const T* row(const std::byte* address) { return reinterpret_cast<const T*>(address); }
  HWY_INLINE static int first_lane(Halves halves) { return halves == Halves::high ? kHalfLanes : 0; }
  HWY_INLINE static int end_lane(Halves halves) { return halves == Halves::low ? kHalfLanes : kLanes; }

  /// Scores of a span as [key][lane]; returns where those of the next one go.
  HWY_INLINE static float* score_span(Block& block, const KeySpan& span, float* to, float* top) {
    std::int32_t key = 0;
    const auto advance = [&](auto keys) HWY_ATTR {
      constexpr int kKeys = decltype(keys)::value;
      score_group<kKeys>(block, span, key, to, top);
      key += kKeys;
      to += kKeys * kLanes;
    };
    while (key + kGroup <= span.keys) advance(std::integral_constant<int, kGroup>());
    if (key + 4 <= span.keys) advance(std::integral_constant<int, 4>());
    if (key + 2 <= span.keys) advance(std::integral_constant<int, 2>());
    if (key < span.keys) advance(std::integral_constant<int, 1>());
    return to;
  }

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
    if (kBlockLanes == kLanes && span.halves != Halves::both) {
      score_lanes<Keys, kHalfLanes / kWidth>(block, first_lane(span.halves), k, stride, first_key, masked, to,
                                             top);
      return;
    }
    for (int lane = first_lane(span.halves); lane < end_lane(span.halves); lane += kBlockLanes) {
      score_lanes<Keys, kVectors>(block, lane, k, stride, first_key, masked, to, top);
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
      for (int w = 0; w < kRunWords; ++w, q += kLanes) {
        Vector lanes[Count];
        HWY_UNROLL(4)
        for (int v = 0; v < Count; ++v) lanes[v] = load(q + v * kWidth);
        HWY_UNROLL(16)
        for (int j = 0; j < Keys; ++j) {
          const auto element = hn::Set(d, k[j * stride + word + w]);
          HWY_UNROLL(4)
          for (int v = 0; v < Count; ++v) s[j][v] = hn::MulAdd(element, lanes[v], s[j][v]);
        }
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

  /// Raises the running maxima where these scores exceed them by more than kLazyRise.
  HWY_INLINE static void raise(Block& block, const float* top) {
    const D d;
    const auto scale = hn::Set(d, block.scale_log2);
    for (int lane = 0; lane < kLanes; lane += kWidth) {
      const auto most = hn::Mul(load(top + lane), scale);
      const auto limit = hn::Add(load(block.maximum + lane), hn::Set(d, kLazyRise));
      if (!hn::AllFalse(d, hn::Gt(most, limit))) rescale(block, lane, most);
    }
  }

  HWY_NOINLINE static void rescale(Block& block, int lane, Vector most) {
    const auto old = load(block.maximum + lane);
    const auto maximum = hn::Max(old, hn::Ceil(most));
    const auto factor = exp2_of(hn::Sub(old, maximum));
    store(maximum, block.maximum + lane);
    store(hn::Mul(factor, load(block.sum + lane)), block.sum + lane);
    if (block.empty) return;
    float* o = block.output + lane;
    for (std::int64_t column = 0; column < block.head_dim_v; ++column, o += kLanes) {
      store(hn::Mul(factor, load(o)), o);
    }
  }

  /// Scores become weights.
  HWY_INLINE static void weigh(Block& block, const KeySpan& span, float* s) {
    const D d;
    const auto scale = hn::Set(d, block.scale_log2);
    for (int lane = first_lane(span.halves); lane < end_lane(span.halves); lane += kWidth) {
      const auto maximum = load(block.maximum + lane);
      auto sum = hn::Zero(d);
      float* at = s + lane;
      for (std::int32_t key = 0; key < span.keys; ++key, at += kLanes) {
        const auto weight = exp2_of(hn::MulSub(load(at), scale, maximum));
        store(weight, at);
        sum = hn::Add(sum, weight);
      }
      store(hn::Add(sum, load(block.sum + lane)), block.sum + lane);
    }
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
      if constexpr (kGroup == 8) {
        add_columns<8>(block, first, last, unit, 0);
        add_columns<8>(block, first, last, unit, 8);
      } else {
        add_columns<6>(block, first, last, unit, 0);
        add_columns<6>(block, first, last, unit, 6);
        add_columns<4>(block, first, last, unit, 12);
      }
    }
  }

  template <int Columns>
  HWY_NOINLINE static void add_columns(Block& block, const KeySpan* first, const KeySpan* last,
                                       std::int64_t unit, int column) {
    for (int lane = 0; lane < kLanes; lane += kBlockLanes) {
      Vector o[Columns][kVectors];
      float* output = block.output + (unit + column) * kLanes + lane;
      HWY_UNROLL(16)
      for (int c = 0; c < Columns; ++c) {
        HWY_UNROLL(4)
        for (int v = 0; v < kVectors; ++v) {
          o[c][v] = block.empty ? hn::Zero(D()) : load(output + c * kLanes + v * kWidth);
        }
      }
      const auto* p = reinterpret_cast<const float*>(block.weights) + lane;
      const float* widened = block.scores + column;
      for (const auto* span = first; span != last; ++span) {
        const float* v = kWiden ? widened : reinterpret_cast<const float*>(span->v) + unit + column;
        const auto stride =
            kWiden ? kHeadDimUnit : span->v_stride_bytes / static_cast<std::int64_t>(sizeof(float));
        if (kBlockLanes == kLanes && span->halves != Halves::both) {
          constexpr int kHalf = kVectors / 2;
          if (span->halves == Halves::low) {
            add_products<Columns, 0, kHalf>(p, v, stride, span->keys, o);
          } else {
            add_products<Columns, kHalf, kHalf>(p, v, stride, span->keys, o);
          }
        } else if (first_lane(span->halves) <= lane && lane < end_lane(span->halves)) {
          add_products<Columns, 0, kVectors>(p, v, stride, span->keys, o);
        }
        p += span->keys * kLanes;
        widened += span->keys * kHeadDimUnit;
      }
      HWY_UNROLL(16)
      for (int c = 0; c < Columns; ++c) {
        HWY_UNROLL(4)
        for (int v = 0; v < kVectors; ++v) store(o[c][v], output + c * kLanes + v * kWidth);
      }
    }
  }

  template <int Columns, int First, int Count>
  HWY_INLINE static void add_products(const float* p, const float* v, std::int64_t stride, std::int32_t keys,
                                      Vector (&o)[Columns][kVectors]) {
    for (std::int32_t key = 0; key < keys; ++key, p += kLanes, v += stride) {
      Vector weights[Count];
      HWY_UNROLL(4)
      for (int i = 0; i < Count; ++i) weights[i] = load(p + (First + i) * kWidth);
      HWY_UNROLL(16)
      for (int c = 0; c < Columns; ++c) {
        const auto element = hn::Set(D(), v[c]);
        HWY_UNROLL(4)
        for (int i = 0; i < Count; ++i) o[c][First + i] = hn::MulAdd(element, weights[i], o[c][First + i]);
      }
    }
  }
};

}  // namespace attnbench::cpu::fused::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
