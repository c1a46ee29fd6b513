// Path avx512bf16: bf16 in and out by vdpbf16ps, f32 sums.
#define ATTNBENCH_TARGET "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512bf16"

#include "core/register_kernel.h"
#include "engines/cpu/fused/softmax/avx512_bf16.h"
#include "engines/cpu/fused/softmax/avx512_rows.h"
#include "engines/cpu/fused/softmax/avx512_tile.h"
#include "engines/cpu/fused/softmax/softmax_kernel.h"

namespace attnbench::cpu::fused {
namespace {

ATTNBENCH_SIMD void pack_values(const std::byte* v, std::int64_t stride_bytes, std::int64_t keys,
                                std::int64_t head_dim_v, std::byte* packed) {
  const __m512i columns = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
  // Word c takes column c of the first row, and column c of the second (index + 32).
  const __m512i low =
      _mm512_add_epi32(_mm512_or_si512(columns, _mm512_slli_epi32(columns, 16)), _mm512_set1_epi32(32 << 16));
  const __m512i high = _mm512_add_epi32(low, _mm512_set1_epi32(16 << 16 | 16));
  for (std::int64_t key = 0; key < keys; key += 2, v += 2 * stride_bytes) {
    const bool single = key + 1 == keys;
    for (std::int64_t d = 0; d < head_dim_v; d += 32, packed += 128) {
      const bool half = head_dim_v - d < 32;
      const __mmask32 mask = half ? 0xffffU : 0xffffffffU;
      const __m512i first = _mm512_maskz_loadu_epi16(mask, v + d * 2);
      const __m512i second =
          _mm512_maskz_loadu_epi16(single ? 0U : mask, v + (single ? 0 : stride_bytes) + d * 2);
      _mm512_storeu_si512(packed, _mm512_permutex2var_epi16(first, low, second));
      if (half) {
        packed -= 64;
      } else {
        _mm512_storeu_si512(packed + 64, _mm512_permutex2var_epi16(first, high, second));
      }
    }
  }
}

std::string_view missing(const CpuFeatures& features) { return features.avx512_bf16 ? "" : "AVX-512 BF16"; }

constexpr SoftmaxPath kPath{"avx512bf16",
                            DType::bf16,
                            missing,
                            {Tile<Bf16>::begin, Tile<Bf16>::attend, Tile<Bf16>::finish},
                            {Rows<Bf16>::begin, Rows<Bf16>::attend, Rows<Bf16>::finish},
                            {Tile<Bf16WithLse>::begin, Tile<Bf16WithLse>::attend, Tile<Bf16WithLse>::finish},
                            {Rows<Bf16WithLse>::begin, Rows<Bf16WithLse>::attend, Rows<Bf16WithLse>::finish},
                            Rows<Bf16>::kMost,
                            pack_values,
                            2};

}  // namespace
}  // namespace attnbench::cpu::fused

ATTNBENCH_REGISTER_KERNEL(fused_softmax_avx512bf16) {
  static const attnbench::cpu::fused::SoftmaxKernel kernel(attnbench::cpu::fused::kPath);
  return kernel;
}
