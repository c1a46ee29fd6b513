// Path neonbf16: bf16 in and out by bfmmla, which adds the product of 2 x 4 and 4 x 2 elements to 2 x 2 f32
// sums. Rows of a block go in groups of 8, each of 4 pairs: 16 registers of sums, for 8 keys or 8 columns at
// a time. Few rows are bound by reading K and V: they go the way of path portable.
#include <arm_neon.h>

#include <algorithm>
#include <array>
#include <limits>

#include "core/register_kernel.h"
#include "engines/cpu/fused/neon_exp2.h"
#include "engines/cpu/fused/softmax/portable.h"
#include "engines/cpu/fused/softmax/softmax_kernel.h"

#define ATTNBENCH_NEON __attribute__((target("arch=armv8.2-a+bf16")))
#define ATTNBENCH_NEON_INLINE ATTNBENCH_NEON __attribute__((always_inline)) inline

namespace attnbench::cpu::fused {
namespace {

constexpr int kGroup = 8;             ///< rows whose sums stay in registers
constexpr int kPairs = kGroup / 2;    ///< of rows, keys or columns
constexpr int kQuad = 4;              ///< elements summed by one instruction
constexpr int kFragment = 2 * kQuad;  ///< elements of a register: two rows of four
/// Scores are written 8 at a time, up to 7 past the last key.
constexpr int kMostKeys = 120;
constexpr int kScoreStride = 128;
constexpr int kMostQuads = kScoreStride / kQuad;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
/// Rows that path portable computes by its kernel for few.
constexpr int kFewRows = 8;

/// Stands for rows that are missing in a register.
alignas(64) constexpr std::array<std::uint16_t, kMaxHeadDim> kZeros{};

ATTNBENCH_NEON_INLINE float32x4_t multiply_add(float32x4_t sum, uint16x8_t a, uint16x8_t b) {
  return vbfmmlaq_f32(sum, vreinterpretq_bf16_u16(a), vreinterpretq_bf16_u16(b));
}
ATTNBENCH_NEON_INLINE uint16x4_t rounded(float32x4_t x) { return vreinterpret_u16_bf16(vcvt_bf16_f32(x)); }
ATTNBENCH_NEON_INLINE const std::uint16_t* elements(const std::byte* row) {
  return reinterpret_cast<const std::uint16_t*>(row);
}

/// Groups of rows that are computed: of half a block or of all of it.
int groups_of(const Block& block) { return (block.rows > kHalfLanes ? kLanes : kHalfLanes) / kGroup; }

/// Where the four elements of a row stand among those of its group: [step][pair][row of pair][4].
std::uint16_t* in_group(std::uint16_t* group, std::int64_t step, int row) {
  return group + (step * kPairs + row / 2) * kFragment + row % 2 * kQuad;
}

/// Four rows of the output: [group][pair of columns][pair of rows][2 x 2].
float* output_of(const Block& block, int group, std::int64_t column) {
  return block.output + (group * block.head_dim_v + column) / 2 * kPairs * 4;
}

struct Tile {
  ATTNBENCH_NEON static void begin(Block& block) {
    const auto sign = vdup_n_u16(block.q_factor < 0 ? 0x8000 : 0);
    for (int row = 0; row < groups_of(block) * kGroup; ++row) {
      const bool given = row < block.rows && block.q_factor != 0;
      const auto* from = given ? elements(block.q[row]) : kZeros.data();
      auto* group =
          reinterpret_cast<std::uint16_t*>(block.queries) + row / kGroup * kGroup * block.head_dim_qk;
      for (std::int64_t step = 0; step < block.head_dim_qk / kQuad; ++step)
        vst1_u16(in_group(group, step, row % kGroup), veor_u16(vld1_u16(from + step * kQuad), sign));
    }
    std::fill_n(block.maximum, kLanes, kNoMaximum);
    std::fill_n(block.sum, kLanes, 0.0F);
    std::fill_n(block.output, groups_of(block) * kGroup * block.head_dim_v, 0.0F);
    block.empty = true;
  }

  ATTNBENCH_NEON static void attend(Block& block, std::span<const KeySpan> spans) {
    float32x4_t top[kLanes];
    std::fill_n(top, kLanes, vdupq_n_f32(-kInfinity));
    const std::uint16_t* rows_of_v[kScoreStride];
    int halves[kMostQuads] = {};  // that see some key of the four
    int keys = 0;
    for (const auto& span : spans) {
      for (int key = 0; key < span.keys; key += kGroup) score(block, span, key, keys + key, top);
      for (int key = 0; key < span.keys; ++key, ++keys) {
        rows_of_v[keys] = elements(span.v + key * span.v_stride_bytes);
        halves[keys / kQuad] |= static_cast<int>(span.halves);
      }
    }
    const int quads = (keys + kQuad - 1) / kQuad;
    std::fill(rows_of_v + keys, rows_of_v + quads * kQuad, kZeros.data());
    for (int row = 0; row < groups_of(block) * kGroup; ++row) {
      vst1q_f32(block.scores + row * kScoreStride + keys, vdupq_n_f32(-kInfinity));
      raise(block, row, vmaxvq_f32(top[row]));
      weigh(block, row, quads);
    }
    for (std::int64_t unit = 0; unit < block.head_dim_v; unit += kHeadDimUnit) {
      for (int quad = 0; quad < quads; ++quad) transpose(block, rows_of_v + quad * kQuad, unit, quad);
      for (int group = 0; group < groups_of(block); ++group) {
        add_values(block, halves, group, unit, 0, quads);
        add_values(block, halves, group, unit, kGroup, quads);
      }
    }
    block.empty = false;
  }

  ATTNBENCH_NEON static void finish(Block& block) {
    for (int row = 0; row < block.rows; ++row) {
      const auto factor = vdupq_n_f32(block.partial != nullptr ? 1.0F : 1.0F / block.sum[row]);
      for (std::int64_t column = 0; column < block.head_dim_v; column += 4) {
        const float* from = output_of(block, row / kGroup, column) + row % kGroup / 2 * 4 + row % 2 * 2;
        const auto values = vmulq_f32(factor, vcombine_f32(vld1_f32(from), vld1_f32(from + kPairs * 4)));
        if (block.partial != nullptr) {
          vst1q_f32(block.partial + row * block.head_dim_v + column, values);
        } else {
          vst1_u16(reinterpret_cast<std::uint16_t*>(block.o[row]) + column, rounded(values));
        }
      }
      if (block.partial == nullptr && block.lse[row] != nullptr)
        *block.lse[row] = natural_lse(block, block.maximum[row], block.sum[row]);
    }
  }

 private:
  /// Scores of up to 8 keys of a span, of rows that the span does not concern minus infinity, as [row][at
  /// ..].
  ATTNBENCH_NEON static void score(Block& block, const KeySpan& span, int key, int at, float32x4_t* top) {
    const std::byte* rows[kGroup];
    for (int j = 0; j < kGroup; ++j)
      rows[j] = span.k + std::min(key + j, span.keys - 1) * span.k_stride_bytes;
    for (int group = 0; group < groups_of(block); ++group) {
      float* to = block.scores + group * kGroup * kScoreStride + at;
      const auto half = group * kGroup < kHalfLanes ? Halves::low : Halves::high;
      if (span.halves == Halves::both || span.halves == half) {
        score_group(block, span, group, rows, key, to, top + group * kGroup);
      } else {
        for (int row = 0; row < kGroup; ++row, to += kScoreStride) {
          vst1q_f32(to, vdupq_n_f32(-kInfinity));
          vst1q_f32(to + 4, vdupq_n_f32(-kInfinity));
        }
      }
    }
  }

  ATTNBENCH_NEON_INLINE static void score_group(const Block& block, const KeySpan& span, int group,
                                                const std::byte* const (&rows)[kGroup], int key, float* to,
                                                float32x4_t* top) {
    float32x4_t sums[kPairs][kPairs];
    for (auto& of_pair : sums) std::fill_n(of_pair, kPairs, vdupq_n_f32(0));
    const auto* q =
        reinterpret_cast<const std::uint16_t*>(block.queries) + group * kGroup * block.head_dim_qk;
    for (std::int64_t d = 0; d < block.head_dim_qk; d += kFragment, q += 2 * kPairs * kFragment) {
#pragma GCC unroll 4
      for (int j = 0; j < kPairs; ++j) {
        const auto first = vreinterpretq_u64_u16(vld1q_u16(elements(rows[2 * j]) + d));
        const auto second = vreinterpretq_u64_u16(vld1q_u16(elements(rows[2 * j + 1]) + d));
        const auto low = vreinterpretq_u16_u64(vzip1q_u64(first, second));
        const auto high = vreinterpretq_u16_u64(vzip2q_u64(first, second));
#pragma GCC unroll 4
        for (int p = 0; p < kPairs; ++p) {
          sums[p][j] = multiply_add(sums[p][j], vld1q_u16(q + p * kFragment), low);
          sums[p][j] = multiply_add(sums[p][j], vld1q_u16(q + (kPairs + p) * kFragment), high);
        }
      }
    }
    const auto first_key = span.first_key + key;
    const auto end_key = first_key + std::min(kGroup, span.keys - key);
    const bool masked = first_key < span.full_begin || end_key > span.full_end;
    for (int row = 0; row < kGroup; ++row, to += kScoreStride) {
      const int lane = group * kGroup + row;
#pragma GCC unroll 2
      for (int j = 0; j < kPairs; j += 2) {
        const auto& a = sums[row / 2][j];
        const auto& b = sums[row / 2][j + 1];
        auto scores = row % 2 == 0 ? vcombine_f32(vget_low_f32(a), vget_low_f32(b))
                                   : vcombine_f32(vget_high_f32(a), vget_high_f32(b));
        const std::int32_t offsets[4] = {2 * j, 2 * j + 1, 2 * j + 2, 2 * j + 3};
        const auto keys = vaddq_s32(vdupq_n_s32(first_key), vld1q_s32(offsets));
        auto seen = vcltq_s32(keys, vdupq_n_s32(end_key));
        if (masked) {
          const auto past = vsubq_s32(keys, vdupq_n_s32(block.begin[lane]));
          seen = vandq_u32(seen, vcltq_u32(vreinterpretq_u32_s32(past),
                                           vdupq_n_u32(static_cast<std::uint32_t>(block.size[lane]))));
        }
        scores = vbslq_f32(seen, scores, vdupq_n_f32(-kInfinity));
        vst1q_f32(to + 2 * j, scores);
        top[row] = vmaxq_f32(top[row], scores);
      }
    }
  }

  /// Raises the running maximum where these scores exceed it by more than kLazyRise.
  ATTNBENCH_NEON_INLINE static void raise(Block& block, int row, float most) {
    const float old = block.maximum[row];
    if (!(most > old + block.rise)) return;
    block.maximum[row] = most;
    const auto factor = exp2_of(vdupq_n_f32((old - most) * block.scale_log2));
    block.sum[row] *= vgetq_lane_f32(factor, 0);
    float* o = output_of(block, row / kGroup, 0) + row % kGroup / 2 * 4 + row % 2 * 2;
    for (std::int64_t column = 0; column < block.head_dim_v; column += 2, o += kPairs * 4)
      vst1_f32(o, vmul_f32(vget_low_f32(factor), vld1_f32(o)));
  }

  /// Scores of a row become weights, in bf16 and in the order of bfmmla.
  ATTNBENCH_NEON_INLINE static void weigh(Block& block, int row, int quads) {
    const float* from = block.scores + row * kScoreStride;
    auto* group =
        reinterpret_cast<std::uint16_t*>(block.weights) + row / kGroup * kMostQuads * kPairs * kFragment;
    const auto maximum = vdupq_n_f32(block.maximum[row]);
    const auto scale = vdupq_n_f32(block.scale_log2);
    auto sum = vdupq_n_f32(0);
    for (int quad = 0; quad < quads; ++quad, from += kQuad) {
      const auto weights = exp2_of(vmulq_f32(vsubq_f32(vld1q_f32(from), maximum), scale));
      sum = vaddq_f32(sum, weights);
      vst1_u16(in_group(group, quad, row % kGroup), rounded(weights));
    }
    block.sum[row] += vaddvq_f32(sum);
  }

  /// 16 columns of four rows of V, as [pair of columns][column of pair][4 keys], where scores were.
  ATTNBENCH_NEON_INLINE static void transpose(Block& block, const std::uint16_t* const* rows,
                                              std::int64_t column, int quad) {
    auto* to = reinterpret_cast<std::uint16_t*>(block.scores) + quad * kHeadDimUnit * kQuad;
    for (int part = 0; part < kHeadDimUnit; part += kFragment) {
      uint16x8_t v[kQuad];
      for (int key = 0; key < kQuad; ++key) v[key] = vld1q_u16(rows[key] + column + part);
      const auto low01 = vreinterpretq_u32_u16(vzip1q_u16(v[0], v[1]));
      const auto low23 = vreinterpretq_u32_u16(vzip1q_u16(v[2], v[3]));
      const auto high01 = vreinterpretq_u32_u16(vzip2q_u16(v[0], v[1]));
      const auto high23 = vreinterpretq_u32_u16(vzip2q_u16(v[2], v[3]));
      vst1q_u16(to, vreinterpretq_u16_u32(vzip1q_u32(low01, low23)));
      vst1q_u16(to + kFragment, vreinterpretq_u16_u32(vzip2q_u32(low01, low23)));
      vst1q_u16(to + 2 * kFragment, vreinterpretq_u16_u32(vzip1q_u32(high01, high23)));
      vst1q_u16(to + 3 * kFragment, vreinterpretq_u16_u32(vzip2q_u32(high01, high23)));
      to += kPairs * kFragment;
    }
  }

  /// output += P V, 8 rows and 8 columns from unit + part on.
  ATTNBENCH_NEON static void add_values(Block& block, const int (&halves)[kMostQuads], int group,
                                        std::int64_t unit, int part, int quads) {
    const int own = static_cast<int>(group * kGroup < kHalfLanes ? Halves::low : Halves::high);
    float* output = output_of(block, group, unit + part);
    float32x4_t sums[kPairs][kPairs];  // [pair of columns][pair of rows]
#pragma GCC unroll 4
    for (int c = 0; c < kPairs; ++c) {
#pragma GCC unroll 4
      for (int p = 0; p < kPairs; ++p) sums[c][p] = vld1q_f32(output + (c * kPairs + p) * 4);
    }
    const auto* weights =
        reinterpret_cast<const std::uint16_t*>(block.weights) + group * kMostQuads * kPairs * kFragment;
    const auto* values = reinterpret_cast<const std::uint16_t*>(block.scores) + part * kQuad;
    for (int quad = 0; quad < quads; ++quad, weights += kPairs * kFragment, values += kHeadDimUnit * kQuad) {
      if ((halves[quad] & own) == 0) continue;
#pragma GCC unroll 4
      for (int c = 0; c < kPairs; ++c) {
        const auto v = vld1q_u16(values + c * kFragment);
#pragma GCC unroll 4
        for (int p = 0; p < kPairs; ++p)
          sums[c][p] = multiply_add(sums[c][p], vld1q_u16(weights + p * kFragment), v);
      }
    }
#pragma GCC unroll 4
    for (int c = 0; c < kPairs; ++c) {
#pragma GCC unroll 4
      for (int p = 0; p < kPairs; ++p) vst1q_f32(output + (c * kPairs + p) * 4, sums[c][p]);
    }
  }
};

const BlockKernel& few() { return portable_path(DType::bf16)->few; }
void begin_few(Block& block) { few().begin(block); }
void attend_few(Block& block, std::span<const KeySpan> spans) { few().attend(block, spans); }
void finish_few(Block& block) { few().finish(block); }

std::string_view missing(const CpuFeatures& features) { return features.neon_bf16 ? "" : "FEAT_BF16"; }

constexpr BlockKernel kTile{Tile::begin, Tile::attend, Tile::finish};
constexpr BlockKernel kFew{begin_few, attend_few, finish_few};
constexpr SoftmaxPath kPath{.name = "neonbf16",
                            .dtype = DType::bf16,
                            .missing = missing,
                            .tile = kTile,
                            .few = kFew,
                            .tile_with_lse = kTile,
                            .few_with_lse = kFew,
                            .few_rows = kFewRows,
                            .attend_keys = kMostKeys,
                            .looks_ahead = false};

}  // namespace
}  // namespace attnbench::cpu::fused

ATTNBENCH_REGISTER_KERNEL(fused_softmax_neonbf16) {
  static const attnbench::cpu::fused::SoftmaxKernel kernel(attnbench::cpu::fused::kPath);
  return kernel;
}
