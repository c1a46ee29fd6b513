// The tile kernel of the portable path, queries as lanes. Included once for each target. Scores of all keys
// of a call come first and pass through softmax together, so that maxima rise at most once a call, before any
// weight exists. Exponentials of several keys side by side were no faster (256 bits, Zen 3 and Zen 4).
#if defined(ATTNBENCH_PORTABLE_TILE_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTNBENCH_PORTABLE_TILE_H
#undef ATTNBENCH_PORTABLE_TILE_H
#else
#define ATTNBENCH_PORTABLE_TILE_H
#endif

#include <algorithm>
#include <limits>

#include "engines/cpu/fused/softmax/portable_products.h"

HWY_BEFORE_NAMESPACE();
namespace attnbench::cpu::fused::HWY_NAMESPACE {

template <typename T>
class Tile {
 public:
  /// Packs Q as [column][lane].
  static void begin(Block& block) {
    const Quarter d;
    const auto factor = hn::Set(d, block.q_factor);
    for (int lane = 0; lane < kLanes; lane += 4) {
      const int count = block.q_factor == 0 ? 0 : std::clamp(block.rows - lane, 0, 4);
      const T* from[4];
      for (int r = 0; r < 4; ++r) from[r] = reinterpret_cast<const T*>(block.q[r < count ? lane + r : 0]);
      auto* to = reinterpret_cast<float*>(block.queries) + lane;
      for (std::int64_t column = 0; column < block.head_dim_qk; column += 4, to += 4 * kLanes) {
        hn::Vec<Quarter> rows[4];
        HWY_UNROLL(4)
        for (int r = 0; r < 4; ++r) {
          rows[r] = r < count ? hn::Mul(factor, load_elements(d, from[r] + column)) : hn::Zero(d);
        }
        transpose_4x4(d, rows);
        HWY_UNROLL(4)
        for (int c = 0; c < 4; ++c) hn::StoreU(rows[c], d, to + c * kLanes);
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
    for (const auto* span = first; span != last; ++span) to = Products<T>::score_span(block, *span, to, top);
    raise(block, top);
    to = weights;
    for (const auto* span = first; span != last; to += span->keys * kLanes, ++span) weigh(block, *span, to);
    Products<T>::add_values(block, first, last);
    block.empty = false;
  }

  static void finish(Block& block) {
    const Quarter d;
    const auto one = hn::Set(d, 1.0F);
    for (int lane = 0; lane < block.rows; lane += 4) {
      const int count = std::min(block.rows - lane, 4);
      if (block.partial != nullptr) {
        float* to[4];
        for (int r = 0; r < count; ++r) to[r] = block.partial + (lane + r) * block.head_dim_v;
        write_rows(block, lane, one, to, count);
      } else {
        T* to[4];
        for (int r = 0; r < count; ++r) to[r] = reinterpret_cast<T*>(block.o[lane + r]);
        write_rows(block, lane, hn::Div(one, hn::LoadU(d, block.sum + lane)), to, count);
      }
    }
    if (block.partial != nullptr) return;
    for (int r = 0; r < block.rows; ++r) {
      if (block.lse[r] != nullptr) *block.lse[r] = natural_lse(block, block.maximum[r], block.sum[r]);
    }
  }

 private:
  /// Output of four lanes times their factors, as `count` rows.
  template <typename To>
  HWY_INLINE static void write_rows(const Block& block, int lane, hn::Vec<Quarter> factor, To* const* to,
                                    int count) {
    const Quarter d;
    const float* from = block.output + lane;
    for (std::int64_t column = 0; column < block.head_dim_v; column += 4, from += 4 * kLanes) {
      hn::Vec<Quarter> rows[4];
      HWY_UNROLL(4)
      for (int c = 0; c < 4; ++c) rows[c] = hn::Mul(factor, hn::LoadU(d, from + c * kLanes));
      transpose_4x4(d, rows);
      HWY_UNROLL(4)
      for (int r = 0; r < 4; ++r) {
        if (r < count) store_elements(d, rows[r], to[r] + column);
      }
    }
  }

  /// Raises the running maxima where these scores exceed them by more than kLazyRise.
  HWY_INLINE static void raise(Block& block, const float* top) {
    const D d;
    for (int lane = 0; lane < kLanes; lane += kWidth) {
      const auto most = load(top + lane);
      const auto limit = hn::Add(load(block.maximum + lane), hn::Set(d, block.rise));
      if (!hn::AllFalse(d, hn::Gt(most, limit))) rescale(block, lane, most);
    }
  }

  HWY_NOINLINE static void rescale(Block& block, int lane, Vector most) {
    const auto old = load(block.maximum + lane);
    const auto maximum = hn::Max(old, most);
    const auto factor = exp2_of(hn::Mul(hn::Sub(old, maximum), hn::Set(D(), block.scale_log2)));
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
        const auto weight = exp2_of(hn::Mul(hn::Sub(load(at), maximum), scale));
        store(weight, at);
        sum = hn::Add(sum, weight);
      }
      store(hn::Add(sum, load(block.sum + lane)), block.sum + lane);
    }
  }
};

}  // namespace attnbench::cpu::fused::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
