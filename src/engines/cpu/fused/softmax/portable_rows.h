// The kernel of the portable path for few rows (decode, global rows, last rows of a head): lanes are elements
// of head_dim, so that each vector of K and V is loaded once for up to kRowsAtOnce rows. Included once for
// each target.
#if defined(ATTNBENCH_PORTABLE_ROWS_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTNBENCH_PORTABLE_ROWS_H
#undef ATTNBENCH_PORTABLE_ROWS_H
#else
#define ATTNBENCH_PORTABLE_ROWS_H
#endif

#include <cmath>
#include <limits>

#include "engines/cpu/fused/softmax/portable_vectors.h"

HWY_BEFORE_NAMESPACE();
namespace attnbench::cpu::fused::HWY_NAMESPACE {

inline constexpr int kFewRows = 8;
inline constexpr int kRowsAtOnce = kRegisters == 32 ? 4 : 2;

/// Adds the halves of a vector until four lanes are left.
template <typename Tag>
HWY_INLINE hn::Vec<Quarter> fold(Tag, hn::Vec<Tag> v) {
  if constexpr (hn::MaxLanes(Tag()) == 4) {
    return v;
  } else {
    const hn::Half<Tag> half;
    return fold(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}

/// Lane i becomes the sum of all lanes of v[i].
HWY_INLINE hn::Vec<Quarter> sums_of_4(const Vector (&v)[4]) {
  hn::Vec<Quarter> q[4];
  HWY_UNROLL(4)
  for (int i = 0; i < 4; ++i) q[i] = fold(D(), v[i]);
  transpose_4x4(Quarter(), q);
  return hn::Add(hn::Add(q[0], q[1]), hn::Add(q[2], q[3]));
}

template <typename T>
class Rows {
 public:
  /// Copies Q to [row][head_dim_qk] as f32, rows of zeros up to kFewRows.
  static void begin(Block& block) {
    const D d;
    auto* to = reinterpret_cast<float*>(block.queries);
    for (int r = 0; r < kFewRows; ++r) {
      for (std::int64_t c = 0; c < block.head_dim_qk; c += kWidth, to += kWidth) {
        auto q = hn::Zero(d);
        if (r < block.rows && block.q_factor != 0) {
          q = hn::Mul(hn::Set(d, block.q_factor), load_elements(d, row(block.q[r]) + c));
        }
        store(q, to);
      }
      block.maximum[r] = kNoMaximum;
      store(hn::Zero(d), sums(block, r));
    }
    const auto floats = kFewRows * block.head_dim_v;
    for (std::int64_t i = 0; i < floats; i += kWidth) store(hn::Zero(d), block.output + i);
    block.empty = true;
  }

  static void attend(Block& block, std::span<const KeySpan> spans) {
    const KeySpan* const last = spans.data() + spans.size();
    for (const auto* span = spans.data(); span != last; ++span) {
      for (std::int32_t key = 0; key < span->keys; key += kKeys) {
        const int keys = span->keys - key < kKeys ? span->keys - key : kKeys;
        for (int r = 0; r < block.rows;) {
          if (kRowsAtOnce == 4 && block.rows - r > 2) {
            attend_rows<kRowsAtOnce>(block, *span, key, keys, r);
            r += kRowsAtOnce;
          } else if (block.rows - r > 1) {
            attend_rows<2>(block, *span, key, keys, r);
            r += 2;
          } else {
            attend_rows<1>(block, *span, key, keys, r);
            r += 1;
          }
        }
      }
    }
    block.empty = false;
  }

  static void finish(Block& block) {
    const D d;
    for (int r = 0; r < block.rows; ++r) {
      block.sum[r] = hn::GetLane(hn::SumOfLanes(d, load(sums(block, r))));
      const auto factor = hn::Set(d, block.partial != nullptr ? 1.0F : 1.0F / block.sum[r]);
      const float* o = block.output + r * block.head_dim_v;
      for (std::int64_t c = 0; c < block.head_dim_v; c += kWidth) {
        const auto values = hn::Mul(factor, load(o + c));
        if (block.partial != nullptr) {
          store(values, block.partial + r * block.head_dim_v + c);
        } else {
          store_elements(d, values, reinterpret_cast<T*>(block.o[r]) + c);
        }
      }
      if (block.partial == nullptr && block.lse[r] != nullptr) {
        *block.lse[r] = natural_lse(block, block.maximum[r], block.sum[r]);
      }
    }
  }

 private:
  static constexpr int kKeys = 32;
  static constexpr int kPrefetchKeys = 32;
  /// Into L2: of the read bandwidth, gqa(kv=8) 32 heads D = 128 on 8192 keys, one Zen 4 core, reaches 80 / 61
  /// / 57 % (f32 512 bits, f32 256 bits, bf16 256 bits) so, 48 / 44 / 35 % into L1 and 42 / 41 / 32 %
  /// without.
  static constexpr int kIntoL2 = 2;

  HWY_INLINE static const T* row(const std::byte* address) { return reinterpret_cast<const T*>(address); }
  HWY_INLINE static float* scores(Block& block, int r) { return block.scores + r * kKeys; }
  HWY_INLINE static float* sums(Block& block, int r) {
    return block.scores + kFewRows * kKeys + r * kHalfLanes;
  }

  template <int Count>
  HWY_NOINLINE static void attend_rows(Block& block, const KeySpan& span, std::int32_t key, int keys, int r) {
    constexpr int kAtOnce = Count == 1 ? 8 : 4;
    for (int first = 0; first < keys; first += kAtOnce) {
      score<Count, kAtOnce>(block, span, key, first, keys, r);
      if (r == 0) prefetch<kAtOnce>(block, span, key + first + kPrefetchKeys);
    }
    for (int i = r; i < r + Count && i < block.rows; ++i) weigh(block, span, span.first_key + key, keys, i);
    constexpr int kColumns = kRegisters / 2 / Count < 4 ? kRegisters / 2 / Count : 4;
    const auto* v = span.v + key * span.v_stride_bytes;
    std::int64_t column = 0;
    for (; column + kColumns * kWidth <= block.head_dim_v; column += kColumns * kWidth) {
      add_values<Count, kColumns>(block, v, span.v_stride_bytes, keys, r, column);
    }
    for (; column < block.head_dim_v; column += kWidth) {
      add_values<Count, 1>(block, v, span.v_stride_bytes, keys, r, column);
    }
  }

  /// Unscaled scores of `AtOnce` keys; behind the last key those of the last key again.
  template <int Count, int AtOnce>
  HWY_INLINE static void score(Block& block, const KeySpan& span, std::int32_t key, int first, int keys,
                               int r) {
    const D d;
    const T* k[AtOnce];
    HWY_UNROLL(8)
    for (int j = 0; j < AtOnce; ++j) {
      const int at = first + j < keys ? first + j : keys - 1;
      k[j] = row(span.k + (key + at) * span.k_stride_bytes);
    }
    Vector s[Count][AtOnce];
    HWY_UNROLL(4)
    for (int i = 0; i < Count; ++i) {
      HWY_UNROLL(8)
      for (int j = 0; j < AtOnce; ++j) s[i][j] = hn::Zero(d);
    }
    const auto* q = reinterpret_cast<const float*>(block.queries) + r * block.head_dim_qk;
    for (std::int64_t c = 0; c < block.head_dim_qk; c += kWidth) {
      Vector rows[Count];
      HWY_UNROLL(4)
      for (int i = 0; i < Count; ++i) rows[i] = load(q + i * block.head_dim_qk + c);
      HWY_UNROLL(8)
      for (int j = 0; j < AtOnce; ++j) {
        const auto elements = load_elements(d, k[j] + c);
        HWY_UNROLL(4)
        for (int i = 0; i < Count; ++i) s[i][j] = hn::MulAdd(elements, rows[i], s[i][j]);
      }
    }
    HWY_UNROLL(4)
    for (int i = 0; i < Count; ++i) {
      HWY_UNROLL(2)
      for (int j = 0; j < AtOnce; j += 4) {
        const Vector four[4] = {s[i][j], s[i][j + 1], s[i][j + 2], s[i][j + 3]};
        hn::StoreU(sums_of_4(four), Quarter(), scores(block, r + i) + first + j);
      }
    }
  }

  template <int AtOnce>
  HWY_INLINE static void prefetch(const Block& block, const KeySpan& span, std::int32_t key) {
    constexpr std::int64_t kLine = 64;
    for (int j = 0; j < AtOnce; ++j) {
      const auto* k = span.k + (key + j) * span.k_stride_bytes;
      const auto* v = span.v + (key + j) * span.v_stride_bytes;
      const auto element = static_cast<std::int64_t>(sizeof(T));
      for (std::int64_t b = 0; b < block.head_dim_qk * element; b += kLine)
        __builtin_prefetch(k + b, 0, kIntoL2);
      for (std::int64_t b = 0; b < block.head_dim_v * element; b += kLine)
        __builtin_prefetch(v + b, 0, kIntoL2);
    }
  }

  /// Softmax weights of one row from its scores, in place.
  HWY_INLINE static void weigh(Block& block, const KeySpan& span, std::int32_t first_key, int keys, int r) {
    const D d;
    const hn::RebindToSigned<D> di;
    const auto scale = hn::Set(d, block.scale_log2);
    const auto hidden = hn::Set(d, -std::numeric_limits<float>::infinity());
    const bool full = keys == kKeys && first_key >= span.full_begin && first_key + kKeys <= span.full_end;
    float* s = scores(block, r);
    if (!full) {
      const bool masked = first_key < span.full_begin || first_key + keys > span.full_end;
      const auto begin = hn::Set(di, masked ? block.begin[r] - first_key : 0);
      const auto end = hn::Set(di, masked ? block.begin[r] + block.size[r] - first_key : keys);
      for (int j = 0; j < kKeys; j += kWidth) {
        const auto key = hn::Iota(di, j);
        const auto seen =
            hn::AndNot(hn::Lt(key, begin), hn::And(hn::Lt(key, end), hn::Lt(key, hn::Set(di, keys))));
        store(hn::IfThenElse(hn::RebindMask(d, seen), load(s + j), hidden), s + j);
      }
    }
    auto top = load(s);
    for (int j = kWidth; j < kKeys; j += kWidth) top = hn::Max(top, load(s + j));
    if (!hn::AllFalse(d, hn::Gt(top, hn::Set(d, block.maximum[r] + block.rise)))) {
      raise(block, r, hn::GetLane(hn::MaxOfLanes(d, top)));
    }
    const auto maximum = hn::Set(d, block.maximum[r]);
    auto sum = load(sums(block, r));
    for (int j = 0; j < kKeys; j += kWidth) {
      const auto weight = exp2_of(hn::Mul(hn::Sub(load(s + j), maximum), scale));
      sum = hn::Add(sum, weight);
      store(weight, s + j);
    }
    store(sum, sums(block, r));
  }

  HWY_NOINLINE static void raise(Block& block, int r, float maximum) {
    const auto factor = exp2_of(hn::Set(D(), (block.maximum[r] - maximum) * block.scale_log2));
    block.maximum[r] = maximum;
    store(hn::Mul(factor, load(sums(block, r))), sums(block, r));
    float* o = block.output + r * block.head_dim_v;
    for (std::int64_t c = 0; c < block.head_dim_v; c += kWidth) store(hn::Mul(factor, load(o + c)), o + c);
  }

  /// output[r ..][Columns vectors] += P V.
  template <int Count, int Columns>
  HWY_INLINE static void add_values(Block& block, const std::byte* v, std::int64_t stride, int keys, int r,
                                    std::int64_t column) {
    const D d;
    float* output = block.output + r * block.head_dim_v + column;
    Vector o[Count][Columns];
    HWY_UNROLL(4)
    for (int i = 0; i < Count; ++i) {
      HWY_UNROLL(4)
      for (int c = 0; c < Columns; ++c) o[i][c] = load(output + i * block.head_dim_v + c * kWidth);
    }
    const float* p = scores(block, r);
    for (int key = 0; key < keys; ++key, v += stride, ++p) {
      Vector weights[Count];
      HWY_UNROLL(4)
      for (int i = 0; i < Count; ++i) weights[i] = hn::Set(d, p[i * kKeys]);
      HWY_UNROLL(4)
      for (int c = 0; c < Columns; ++c) {
        const auto elements = load_elements(d, row(v) + column + c * kWidth);
        HWY_UNROLL(4)
        for (int i = 0; i < Count; ++i) o[i][c] = hn::MulAdd(elements, weights[i], o[i][c]);
      }
    }
    HWY_UNROLL(4)
    for (int i = 0; i < Count; ++i) {
      HWY_UNROLL(4)
      for (int c = 0; c < Columns; ++c) store(o[i][c], output + i * block.head_dim_v + c * kWidth);
    }
  }
};

}  // namespace attnbench::cpu::fused::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
