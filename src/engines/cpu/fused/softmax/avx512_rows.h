#pragma once

// The kernel of the AVX-512 paths for few rows (decode, global rows, last rows of a head): lanes are elements
// of head_dim, so that each 64-byte piece of K and V is loaded once for up to four rows and nothing is
// packed. Sixteen sums (rows x keys) are reduced together by a tree of shuffles, 30 for 16 scores.
#include <limits>

#include "engines/cpu/fused/avx512.h"
#include "engines/cpu/fused/softmax/block.h"

namespace attnbench::cpu::fused {
namespace {

/// Lane i becomes the sum of all lanes of v[i].
ATTNBENCH_SIMD_INLINE __m512 sums_of_16(__m512 (&v)[16]) {
  ATTNBENCH_UNROLL
  for (int i = 0; i < 8; ++i) {
    v[i] =
        _mm512_add_ps(_mm512_unpacklo_ps(v[2 * i], v[2 * i + 1]), _mm512_unpackhi_ps(v[2 * i], v[2 * i + 1]));
  }
  ATTNBENCH_UNROLL
  for (int i = 0; i < 4; ++i) {
    const __m512d a = _mm512_castps_pd(v[2 * i]);
    const __m512d b = _mm512_castps_pd(v[2 * i + 1]);
    v[i] =
        _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(a, b)), _mm512_castpd_ps(_mm512_unpackhi_pd(a, b)));
  }
  ATTNBENCH_UNROLL
  for (int width = 2; width > 0; width /= 2) {
    ATTNBENCH_UNROLL
    for (int i = 0; i < width; ++i) {
      v[i] = _mm512_add_ps(_mm512_shuffle_f32x4(v[2 * i], v[2 * i + 1], 0x88),
                           _mm512_shuffle_f32x4(v[2 * i], v[2 * i + 1], 0xdd));
    }
  }
  return v[0];
}

template <typename Path>
class Rows {
 public:
  static constexpr int kMost = 8;

  /// Copies Q to [row][vector], zeros behind head_dim_qk and up to a multiple of four rows.
  ATTNBENCH_SIMD static void begin(Block& block) {
    const auto words = block.head_dim_qk / Path::kPack;
    const auto vectors = vectors_of(block.head_dim_qk);
    auto* to = reinterpret_cast<__m512i*>(block.queries);
    for (int row = 0; row < kMost; ++row) {
      for (std::int64_t v = 0; v < vectors; ++v, ++to) {
        __m512i q = row < block.rows && block.q_factor != 0
                        ? _mm512_maskz_loadu_epi32(mask_of(words - v * 16), block.q[row] + v * 64)
                        : _mm512_setzero_si512();
        if (block.q_factor < 0) q = Path::negated(q);
        _mm512_store_si512(to, q);
      }
      block.maximum[row] = kNoMaximum;
      block.sum[row] = 0;
      _mm512_store_ps(sums(block) + row * 16, _mm512_setzero_ps());
    }
    const auto floats = kMost * vectors_of(block.head_dim_v) * 16 * Path::kPack;
    for (std::int64_t i = 0; i < floats; i += 16) _mm512_store_ps(block.output + i, _mm512_setzero_ps());
    block.empty = true;
  }

  ATTNBENCH_SIMD static void attend(Block& block, std::span<const KeySpan> spans) {
    for (const auto& span : spans) {
      for (std::int32_t key = 0; key < span.keys; key += kKeys) {
        const int keys = span.keys - key < kKeys ? span.keys - key : kKeys;
        for (int row = 0; row < block.rows;) {
          const int left = block.rows - row;
          if (left >= 3) {
            attend_rows<4>(block, span, key, keys, row);
            row += 4;
          } else if (left == 2) {
            attend_rows<2>(block, span, key, keys, row);
            row += 2;
          } else {
            attend_rows<1>(block, span, key, keys, row);
            row += 1;
          }
        }
      }
    }
    block.empty = false;
  }

  ATTNBENCH_SIMD static void finish(Block& block) {
    const auto vectors = vectors_of(block.head_dim_v);
    for (int row = 0; row < block.rows; ++row) {
      block.sum[row] = _mm512_reduce_add_ps(_mm512_load_ps(sums(block) + row * 16));
      const __m512 factor = _mm512_set1_ps(block.partial != nullptr ? 1.0F : 1.0F / block.sum[row]);
      const float* o = block.output + row * vectors * 16 * Path::kPack;
      for (std::int64_t d = 0; d < block.head_dim_v; d += 16, o += 16) {
        const __m512 values = _mm512_mul_ps(factor, Path::in_order(o, d));
        if (block.partial != nullptr) {
          _mm512_storeu_ps(block.partial + row * block.head_dim_v + d, values);
        } else {
          Path::store(block.o[row], d, values);
        }
      }
      if (block.partial == nullptr && block.lse[row] != nullptr) {
        *block.lse[row] = natural_lse(block, block.maximum[row], block.sum[row]);
      }
    }
  }

 private:
  static constexpr int kKeys = 32;
  /// Into L2, issued beside the products: one burst a tile reached 60 % of what this does. 16 to 128 keys
  /// differ by less than the machine's noise.
  static constexpr int kPrefetchKeys = 32;

  static std::int64_t vectors_of(std::int64_t head_dim) { return (head_dim / Path::kPack + 15) / 16; }
  static float* sums(Block& block) { return block.scores + kMost * kKeys; }
  static __mmask16 mask_of(std::int64_t words) {
    return static_cast<__mmask16>(words >= 16 ? 0xffff : (1 << words) - 1);
  }

  ATTNBENCH_SIMD_INLINE static void prefetch(const std::byte* row, std::int64_t row_bytes) {
    for (std::int64_t b = 0; b < row_bytes; b += 64) {
      _mm_prefetch(reinterpret_cast<const char*>(row + b), _MM_HINT_T1);
    }
  }

  template <int Count>
  ATTNBENCH_SIMD static void attend_rows(Block& block, const KeySpan& span, std::int32_t key, int keys,
                                         int row) {
    score<Count>(block, span, key, keys, row);
    for (int r = row; r < row + Count && r < block.rows; ++r)
      weigh(block, span, span.first_key + key, keys, r);
    constexpr int kMostColumns = 16 / (Count * Path::kPack) < 8 ? 16 / (Count * Path::kPack) : 8;
    const auto* v = span.v + key * span.v_stride_bytes;
    const auto whole = block.head_dim_v / Path::kPack / 16;
    std::int64_t column = 0;
    for (; column + kMostColumns <= whole; column += kMostColumns) {
      add_values<Count, kMostColumns>(block, v, span.v_stride_bytes, keys, row, column, 0xffff);
    }
    // A column alone is one chain of sums, or two: each step waits for the one before.
    if constexpr (kMostColumns > 4) {
      for (; column + 4 <= whole; column += 4) {
        add_values<Count, 4>(block, v, span.v_stride_bytes, keys, row, column, 0xffff);
      }
    }
    if constexpr (kMostColumns > 2) {
      for (; column + 2 <= whole; column += 2) {
        add_values<Count, 2>(block, v, span.v_stride_bytes, keys, row, column, 0xffff);
      }
    }
    for (; column < vectors_of(block.head_dim_v); ++column) {
      add_values<Count, 1>(block, v, span.v_stride_bytes, keys, row, column,
                           mask_of(block.head_dim_v / Path::kPack - column * 16));
    }
  }

  /// scores[row][key] = q k, unscaled.
  template <int Count>
  ATTNBENCH_SIMD_INLINE static void score(Block& block, const KeySpan& span, std::int32_t key, int keys,
                                          int row) {
    constexpr int kAtOnce = 16 / Count;
    const auto vectors = vectors_of(block.head_dim_qk);
    const auto words = block.head_dim_qk / Path::kPack;
    const auto* q = reinterpret_cast<const __m512i*>(block.queries) + row * vectors;
    for (int first = 0; first < keys; first += kAtOnce) {
      const std::byte* k[kAtOnce];
      ATTNBENCH_UNROLL
      for (int j = 0; j < kAtOnce; ++j) {
        k[j] = span.k + (key + (first + j < keys ? first + j : keys - 1)) * span.k_stride_bytes;
      }
      __m512 s[16];
      ATTNBENCH_UNROLL
      for (auto& sum : s) sum = _mm512_setzero_ps();
      for (std::int64_t v = 0; v < vectors; ++v) {
        const auto mask = mask_of(words - v * 16);
        ATTNBENCH_UNROLL
        for (int j = 0; j < kAtOnce; ++j) {
          const __m512i elements = _mm512_maskz_loadu_epi32(mask, k[j] + v * 64);
          ATTNBENCH_UNROLL
          for (int r = 0; r < Count; ++r) {
            s[r * kAtOnce + j] =
                Path::dot(s[r * kAtOnce + j], elements, _mm512_load_si512(q + r * vectors + v));
          }
        }
      }
      if (row == 0) {
        for (int j = first; j < first + kAtOnce; ++j) {
          const auto ahead = key + j + kPrefetchKeys;
          prefetch(span.k + ahead * span.k_stride_bytes, words * 4);
          prefetch(span.v + ahead * span.v_stride_bytes, block.head_dim_v * 4 / Path::kPack);
        }
      }
      const __m512 sums = sums_of_16(s);
      float* to = block.scores + row * kKeys + first;
      if constexpr (Count == 1) {
        _mm512_store_ps(to, sums);
      } else if constexpr (Count == 2) {
        _mm256_store_ps(to, _mm512_castps512_ps256(sums));
        _mm256_store_ps(to + kKeys, _mm512_extractf32x8_ps(sums, 1));
      } else {
        _mm_store_ps(to, _mm512_castps512_ps128(sums));
        _mm_store_ps(to + kKeys, _mm512_extractf32x4_ps(sums, 1));
        _mm_store_ps(to + 2 * kKeys, _mm512_extractf32x4_ps(sums, 2));
        _mm_store_ps(to + 3 * kKeys, _mm512_extractf32x4_ps(sums, 3));
      }
    }
  }

  /// Softmax weights of one row from its scores.
  ATTNBENCH_SIMD_INLINE static void weigh(Block& block, const KeySpan& span, std::int32_t first_key, int keys,
                                          int row) {
    const __m512 scale = _mm512_set1_ps(block.scale_log2);
    const bool full = keys == kKeys && first_key >= span.full_begin && first_key + kKeys <= span.full_end;
    __m512 s[2];
    ATTNBENCH_UNROLL
    for (int i = 0; i < 2; ++i) {
      s[i] = _mm512_load_ps(block.scores + row * kKeys + i * 16);
      if (!full) s[i] = visible(s[i], block, span, first_key, i * 16, keys, row);
    }
    const __m512 top = _mm512_max_ps(s[0], s[1]);
    const __m512 limit = _mm512_set1_ps(block.maximum[row] + block.rise);
    if (_mm512_cmp_ps_mask(top, limit, _CMP_GT_OQ) != 0) [[unlikely]]
      raise(block, row, _mm512_reduce_max_ps(top));
    const __m512 maximum = _mm512_set1_ps(block.maximum[row]);
    ATTNBENCH_UNROLL
    for (auto& score : s) {
      score = exp2_of<Path::kExpDegree>(_mm512_mul_ps(_mm512_sub_ps(score, maximum), scale));
    }
    float* sum = sums(block) + row * 16;
    _mm512_store_ps(sum, _mm512_add_ps(_mm512_load_ps(sum), _mm512_add_ps(s[0], s[1])));
    Path::store_in_key_order(weights(block, row), s[0], s[1]);
  }

  /// Minus infinity where the row may not see the key, or where there is no key.
  ATTNBENCH_SIMD_INLINE static __m512 visible(__m512 scores, const Block& block, const KeySpan& span,
                                              std::int32_t first_key, int first, int keys, int row) {
    const __m512i index = _mm512_add_epi32(
        _mm512_set1_epi32(first), _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0));
    __mmask16 seen = _mm512_cmplt_epi32_mask(index, _mm512_set1_epi32(keys));
    if (first_key < span.full_begin || first_key + keys > span.full_end) {
      const __m512i offset = _mm512_add_epi32(index, _mm512_set1_epi32(first_key - block.begin[row]));
      seen = _mm512_mask_cmplt_epu32_mask(seen, offset, _mm512_set1_epi32(block.size[row]));
    }
    return _mm512_mask_mov_ps(_mm512_set1_ps(-std::numeric_limits<float>::infinity()), seen, scores);
  }

  ATTNBENCH_SIMD __attribute__((noinline)) static void raise(Block& block, int row, float maximum) {
    const __m512 factor = exp2_of<5>(_mm512_set1_ps((block.maximum[row] - maximum) * block.scale_log2));
    block.maximum[row] = maximum;
    float* sum = sums(block) + row * 16;
    _mm512_store_ps(sum, _mm512_mul_ps(factor, _mm512_load_ps(sum)));
    const auto floats = vectors_of(block.head_dim_v) * 16 * Path::kPack;
    float* o = block.output + row * floats;
    for (std::int64_t i = 0; i < floats; i += 16)
      _mm512_store_ps(o + i, _mm512_mul_ps(factor, _mm512_load_ps(o + i)));
  }

  static std::byte* weights(Block& block, int row) { return block.weights + row * (kKeys / Path::kPack) * 4; }

  /// output[row ..][Columns vectors] += P V.
  template <int Count, int Columns>
  ATTNBENCH_SIMD_INLINE static void add_values(Block& block, const std::byte* v, std::int64_t stride,
                                               int keys, int row, std::int64_t column, __mmask16 mask) {
    const auto row_floats = vectors_of(block.head_dim_v) * 16 * Path::kPack;
    float* output = block.output + row * row_floats + column * 16 * Path::kPack;
    __m512 o[Count][Columns][Path::kPack];
    ATTNBENCH_UNROLL
    for (int r = 0; r < Count; ++r) {
      ATTNBENCH_UNROLL
      for (int c = 0; c < Columns; ++c) {
        ATTNBENCH_UNROLL
        for (int i = 0; i < Path::kPack; ++i) {
          o[r][c][i] = _mm512_load_ps(output + r * row_floats + (c * Path::kPack + i) * 16);
        }
      }
    }
    const std::byte* w = weights(block, row);
    v += column * 64;
    for (int key = 0; key < keys; key += Path::kPack, v += Path::kPack * stride, w += 4) {
      const std::byte* second = key + 1 < keys ? v + stride : v;
      ATTNBENCH_UNROLL
      for (int c = 0; c < Columns; ++c) {
        __m512i elements[Path::kPack];
        if constexpr (Columns == 1) {
          Path::values(_mm512_maskz_loadu_epi32(mask, v), _mm512_maskz_loadu_epi32(mask, second), elements);
        } else {
          Path::values(_mm512_loadu_si512(v + c * 64), _mm512_loadu_si512(second + c * 64), elements);
        }
        ATTNBENCH_UNROLL
        for (int r = 0; r < Count; ++r) {
          const __m512i weight =
              _mm512_set1_epi32(*reinterpret_cast<const int*>(w + r * (kKeys / Path::kPack) * 4));
          ATTNBENCH_UNROLL
          for (int i = 0; i < Path::kPack; ++i) o[r][c][i] = Path::dot(o[r][c][i], elements[i], weight);
        }
      }
    }
    ATTNBENCH_UNROLL
    for (int r = 0; r < Count; ++r) {
      ATTNBENCH_UNROLL
      for (int c = 0; c < Columns; ++c) {
        ATTNBENCH_UNROLL
        for (int i = 0; i < Path::kPack; ++i) {
          _mm512_store_ps(output + r * row_floats + (c * Path::kPack + i) * 16, o[r][c][i]);
        }
      }
    }
  }
};

}  // namespace
}  // namespace attnbench::cpu::fused
