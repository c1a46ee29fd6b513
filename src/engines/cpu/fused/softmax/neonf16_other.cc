// Path neonf16: f16 in and out by fmlal, which multiplies four pairs of f16 elements and adds each product to
// one of four f32 sums: no element is widened by an instruction of its own. Rows of a block go in groups of
// 8, a lane each: 16 registers of sums, for 8 keys or 8 columns at a time, whose elements are read in place.
// Few rows are bound by reading K and V: they go the way of path portable.
#include <arm_neon.h>

#include <algorithm>
#include <array>
#include <limits>

#include "core/register_kernel.h"
#include "engines/cpu/fused/neon_exp2.h"
#include "engines/cpu/fused/softmax/portable.h"
#include "engines/cpu/fused/softmax/softmax_kernel.h"

#define ATTNBENCH_NEON __attribute__((target("arch=armv8.2-a+fp16fml")))
#define ATTNBENCH_NEON_INLINE ATTNBENCH_NEON __attribute__((always_inline)) inline

namespace attnbench::cpu::fused {
namespace {

constexpr int kGroup = 8;  ///< rows, and keys or columns, whose sums stay in registers
constexpr float kInfinity = std::numeric_limits<float>::infinity();
/// Rows that path portable computes by its kernel for few.
constexpr int kFewRows = 8;
/// Weights are at most 2^kLazyRise; as f16 they are this many powers of two greater, so that the greatest
/// still has room and the least that is no denormal is 2^-21.
constexpr float kRaised = 7;
constexpr float kRaisedUnit = 0x1p-7F;
static_assert(kLazyRise + kRaised <= 15);

/// Stands for rows that are missing in a block.
alignas(64) constexpr std::array<std::uint16_t, kMaxHeadDim> kZeros{};

/// Sums of 8 rows.
struct Sums {
  float32x4_t low, high;
};

ATTNBENCH_NEON_INLINE float16x8_t load(const std::uint16_t* from) {
  return vreinterpretq_f16_u16(vld1q_u16(from));
}
ATTNBENCH_NEON_INLINE uint16x4_t rounded(float32x4_t x) { return vreinterpret_u16_f16(vcvt_f16_f32(x)); }
ATTNBENCH_NEON_INLINE const std::uint16_t* elements(const std::byte* row) {
  return reinterpret_cast<const std::uint16_t*>(row);
}

/// += an element of each row times element `lane` of `others`.
template <int lane>
ATTNBENCH_NEON_INLINE void add_product(Sums& sums, float16x8_t rows, float16x8_t others) {
  sums.low = vfmlalq_laneq_low_f16(sums.low, rows, others, lane);
  sums.high = vfmlalq_laneq_high_f16(sums.high, rows, others, lane);
}

/// Groups of rows that are computed: of half a block or of all of it.
int groups_of(const Block& block) { return (block.rows > kHalfLanes ? kLanes : kHalfLanes) / kGroup; }

/// [head_dim_qk][8 rows]
std::uint16_t* queries_of(const Block& block, int group) {
  return reinterpret_cast<std::uint16_t*>(block.queries) + group * kGroup * block.head_dim_qk;
}
/// [head_dim_v][8 rows]
float* output_of(const Block& block, int group) { return block.output + group * kGroup * block.head_dim_v; }

struct Tile {
  ATTNBENCH_NEON static void begin(Block& block) {
    const std::uint16_t sign = block.q_factor < 0 ? 0x8000 : 0;
    for (int row = 0; row < groups_of(block) * kGroup; ++row) {
      const bool given = row < block.rows && block.q_factor != 0;
      const auto* from = given ? elements(block.q[row]) : kZeros.data();
      auto* to = queries_of(block, row / kGroup) + row % kGroup;
      for (std::int64_t d = 0; d < block.head_dim_qk; ++d, to += kGroup)
        *to = static_cast<std::uint16_t>(from[d] ^ sign);
    }
    std::fill_n(block.maximum, kLanes, kNoMaximum);
    std::fill_n(block.sum, kLanes, 0.0F);
    std::fill_n(block.output, groups_of(block) * kGroup * block.head_dim_v, 0.0F);
    block.empty = true;
  }

  ATTNBENCH_NEON static void attend(Block& block, std::span<const KeySpan> spans) {
    for (int group = 0; group < groups_of(block); ++group) {
      const int own = static_cast<int>(group * kGroup < kHalfLanes ? Halves::low : Halves::high);
      Sums top{vdupq_n_f32(-kInfinity), vdupq_n_f32(-kInfinity)};
      const std::uint16_t* values[kTileKeys];
      int keys = 0;
      for (const auto& span : spans) {
        if ((static_cast<int>(span.halves) & own) == 0) continue;
        for (int key = 0; key < span.keys; key += kGroup)
          score(block, span, group, key, block.scores + (keys + key) * kGroup, top);
        for (int key = 0; key < span.keys; ++key, ++keys)
          values[keys] = elements(span.v + key * span.v_stride_bytes);
      }
      if (keys == 0) continue;
      raise(block, group, top);
      weigh(block, group, keys);
      for (std::int64_t column = 0; column < block.head_dim_v; column += kGroup)
        add_values(block, group, values, keys, column);
    }
    block.empty = false;
  }

  ATTNBENCH_NEON static void finish(Block& block) {
    for (int row = 0; row < block.rows; ++row) {
      const auto factor = vdupq_n_f32(kRaisedUnit / (block.partial != nullptr ? 1.0F : block.sum[row]));
      const float* from = output_of(block, row / kGroup) + row % kGroup;
      for (std::int64_t column = 0; column < block.head_dim_v; column += 4, from += 4 * kGroup) {
        const float32x4_t sums{from[0], from[kGroup], from[2 * kGroup], from[3 * kGroup]};
        const auto values = vmulq_f32(factor, sums);
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
  template <int lane>
  ATTNBENCH_NEON_INLINE static void add_elements(Sums (&sums)[kGroup], const std::uint16_t* q,
                                                 const float16x8_t (&k)[kGroup]) {
    const auto rows = load(q + lane * kGroup);
#pragma GCC unroll 8
    for (int j = 0; j < kGroup; ++j) add_product<lane>(sums[j], rows, k[j]);
  }

  /// Scores of up to 8 keys of a span, as [key][row]; hidden ones are minus infinity.
  ATTNBENCH_NEON static void score(const Block& block, const KeySpan& span, int group, int key, float* to,
                                   Sums& top) {
    const int count = std::min(kGroup, span.keys - key);
    const std::uint16_t* rows[kGroup];
    for (int j = 0; j < kGroup; ++j)
      rows[j] = elements(span.k + (key + std::min(j, count - 1)) * span.k_stride_bytes);
    Sums sums[kGroup];
    std::fill_n(sums, kGroup, Sums{vdupq_n_f32(0), vdupq_n_f32(0)});
    const auto* q = queries_of(block, group);
    for (std::int64_t d = 0; d < block.head_dim_qk; d += kGroup, q += kGroup * kGroup) {
      float16x8_t k[kGroup];
#pragma GCC unroll 8
      for (int j = 0; j < kGroup; ++j) k[j] = load(rows[j] + d);
      add_elements<0>(sums, q, k);
      add_elements<1>(sums, q, k);
      add_elements<2>(sums, q, k);
      add_elements<3>(sums, q, k);
      add_elements<4>(sums, q, k);
      add_elements<5>(sums, q, k);
      add_elements<6>(sums, q, k);
      add_elements<7>(sums, q, k);
    }
    const auto first_key = span.first_key + key;
    const bool masked = first_key < span.full_begin || first_key + count > span.full_end;
#pragma GCC unroll 8
    for (int j = 0; j < kGroup; ++j) {
      if (j >= count) break;
      if (masked) {
        sums[j].low = hide(block, group * kGroup, first_key + j, sums[j].low);
        sums[j].high = hide(block, group * kGroup + 4, first_key + j, sums[j].high);
      }
      vst1q_f32(to + j * kGroup, sums[j].low);
      vst1q_f32(to + j * kGroup + 4, sums[j].high);
      top.low = vmaxq_f32(top.low, sums[j].low);
      top.high = vmaxq_f32(top.high, sums[j].high);
    }
  }

  /// Scores of a key, of those of four rows that do not see it minus infinity.
  ATTNBENCH_NEON_INLINE static float32x4_t hide(const Block& block, int row, std::int32_t key,
                                                float32x4_t scores) {
    const auto past = vreinterpretq_u32_s32(vsubq_s32(vdupq_n_s32(key), vld1q_s32(block.begin + row)));
    const auto seen = vcltq_u32(past, vreinterpretq_u32_s32(vld1q_s32(block.size + row)));
    return vbslq_f32(seen, scores, vdupq_n_f32(-kInfinity));
  }

  /// Raises the running maxima that these scores exceed by more than Block::rise. (Their difference is exact
  /// where it is small: weights stay within f16.)
  ATTNBENCH_NEON_INLINE static void raise(Block& block, int group, const Sums& top) {
    raise_four(block, group, 0, top.low);
    raise_four(block, group, 4, top.high);
  }
  ATTNBENCH_NEON_INLINE static void raise_four(Block& block, int group, int row, float32x4_t most) {
    float* maximum = block.maximum + group * kGroup + row;
    float* sum = block.sum + group * kGroup + row;
    const auto old = vld1q_f32(maximum);
    const auto raised = vcgtq_f32(vsubq_f32(most, old), vdupq_n_f32(block.rise));
    if (vmaxvq_u32(raised) == 0) return;
    const auto now = vbslq_f32(raised, most, old);
    const auto rescale = exp2_of(vmulq_f32(vsubq_f32(old, now), vdupq_n_f32(block.scale_log2)));
    const auto factor = vbslq_f32(raised, rescale, vdupq_n_f32(1));
    vst1q_f32(maximum, now);
    vst1q_f32(sum, vmulq_f32(factor, vld1q_f32(sum)));
    float* o = output_of(block, group) + row;
    for (std::int64_t column = 0; column < block.head_dim_v; ++column, o += kGroup)
      vst1q_f32(o, vmulq_f32(factor, vld1q_f32(o)));
  }

  /// Scores become weights in f16, [key][row].
  ATTNBENCH_NEON_INLINE static void weigh(Block& block, int group, int keys) {
    auto* to = reinterpret_cast<std::uint16_t*>(block.weights);
    const auto scale = vdupq_n_f32(block.scale_log2);
    for (int row = 0; row < kGroup; row += 4) {
      const auto maximum = vld1q_f32(block.maximum + group * kGroup + row);
      auto sum = vdupq_n_f32(0);
      for (int key = 0; key < keys; ++key) {
        const auto score = vld1q_f32(block.scores + key * kGroup + row);
        const auto weight = exp2_of(vfmaq_f32(vdupq_n_f32(kRaised), vsubq_f32(score, maximum), scale));
        sum = vaddq_f32(sum, weight);
        vst1_u16(to + key * kGroup + row, rounded(weight));
      }
      float* of_rows = block.sum + group * kGroup + row;
      vst1q_f32(of_rows, vfmaq_f32(vld1q_f32(of_rows), sum, vdupq_n_f32(kRaisedUnit)));
    }
  }

  /// output += P V, 8 rows and 8 columns.
  ATTNBENCH_NEON static void add_values(const Block& block, int group, const std::uint16_t* const* values,
                                        int keys, std::int64_t column) {
    float* output = output_of(block, group) + column * kGroup;
    Sums sums[kGroup];
#pragma GCC unroll 8
    for (int c = 0; c < kGroup; ++c)
      sums[c] = {vld1q_f32(output + c * kGroup), vld1q_f32(output + c * kGroup + 4)};
    const auto* weights = reinterpret_cast<const std::uint16_t*>(block.weights);
    for (int key = 0; key < keys; ++key, weights += kGroup) {
      const auto p = load(weights);
      const auto v = load(values[key] + column);
      add_product<0>(sums[0], p, v);
      add_product<1>(sums[1], p, v);
      add_product<2>(sums[2], p, v);
      add_product<3>(sums[3], p, v);
      add_product<4>(sums[4], p, v);
      add_product<5>(sums[5], p, v);
      add_product<6>(sums[6], p, v);
      add_product<7>(sums[7], p, v);
    }
#pragma GCC unroll 8
    for (int c = 0; c < kGroup; ++c) {
      vst1q_f32(output + c * kGroup, sums[c].low);
      vst1q_f32(output + c * kGroup + 4, sums[c].high);
    }
  }
};

const BlockKernel& few() { return portable_path(DType::f16)->few; }
void begin_few(Block& block) { few().begin(block); }
void attend_few(Block& block, std::span<const KeySpan> spans) { few().attend(block, spans); }
void finish_few(Block& block) { few().finish(block); }

std::string_view missing(const CpuFeatures& features) { return features.neon_fhm ? "" : "FEAT_FHM"; }

constexpr BlockKernel kTile{Tile::begin, Tile::attend, Tile::finish};
constexpr BlockKernel kFew{begin_few, attend_few, finish_few};
constexpr SoftmaxPath kPath{.name = "neonf16",
                            .dtype = DType::f16,
                            .missing = missing,
                            .tile = kTile,
                            .few = kFew,
                            .tile_with_lse = kTile,
                            .few_with_lse = kFew,
                            .few_rows = kFewRows,
                            .looks_ahead = false};

}  // namespace
}  // namespace attnbench::cpu::fused

ATTNBENCH_REGISTER_KERNEL(fused_softmax_neonf16) {
  static const attnbench::cpu::fused::SoftmaxKernel kernel(attnbench::cpu::fused::kPath);
  return kernel;
}
