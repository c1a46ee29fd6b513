// Path avx512: f32 in and out by FMA. V is read in place; exponentials are not interleaved with the products
// (in f32 that does not pay: the products take twice as long, the exponentials five more FMAs). Medians of
// the share of the FMA ceiling, the tile kernel alone, one core, a head at a time in turn with the ceiling,
// mha, D = 64, N = 1024, Xeon with AMX / Zen 4:
//   one run of 64 words of eight keys: 82.7 / 89.4 %;
//   a run of 16 words of four keys (8 chains): 73.7 / 87.7;
//   two runs of 32 words of four keys at once: 80.5 / 87.5;
//   these with every second broadcast inside its FMA (fewer instructions, more loads): 79.8 / 89.3;
//   with every broadcast inside: 71.9 / 89.0; prefetching the next keys: 80.6 / 88.4.
// The two runs at N = 4096, four blocks going through 256 KiB of K and V together: D = 64 77.3 / 87.5,
// D = 128 58.2 / 84.9; each block alone: 70.0 / 88.0 and 48.4 / 86.0.
#define ATTNBENCH_TARGET "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512cd"

#include "core/register_kernel.h"
#include "engines/cpu/fused/softmax/avx512_rows.h"
#include "engines/cpu/fused/softmax/avx512_tile.h"
#include "engines/cpu/fused/softmax/softmax_kernel.h"

namespace attnbench::cpu::fused {
namespace {

struct F32 {
  static constexpr int kPack = 1;  ///< elements in a 32-bit lane
  static constexpr int kExpDegree = 5;
  static constexpr bool kInterleave = false;
  static constexpr int kRunWords = 4 * kHeadDimUnit;

  ATTNBENCH_SIMD_INLINE static __m512 dot(__m512 sum, __m512i a, __m512i b) {
    return _mm512_fmadd_ps(_mm512_castsi512_ps(a), _mm512_castsi512_ps(b), sum);
  }
  ATTNBENCH_SIMD_INLINE static __m512i single(__m512 first) { return _mm512_castps_si512(first); }
  ATTNBENCH_SIMD_INLINE static __m512i scaled(__m512i weights, __m512 factor) {
    return _mm512_castps_si512(_mm512_mul_ps(_mm512_castsi512_ps(weights), factor));
  }
  ATTNBENCH_SIMD_INLINE static __m512i negated(__m512i x) {
    return _mm512_xor_si512(x, _mm512_set1_epi32(static_cast<int>(0x80000000U)));
  }
  ATTNBENCH_SIMD_INLINE static void store(std::byte* row, std::int64_t column, __m512 values) {
    _mm512_storeu_ps(row + column * 4, values);
  }
  ATTNBENCH_SIMD_INLINE static void store_in_key_order(std::byte* to, __m512 low, __m512 high) {
    _mm512_store_ps(to, low);
    _mm512_store_ps(to + 64, high);
  }
  ATTNBENCH_SIMD_INLINE static void values(__m512i first, __m512i, __m512i (&elements)[kPack]) {
    elements[0] = first;
  }
  ATTNBENCH_SIMD_INLINE static __m512 in_order(const float* sums, std::int64_t) {
    return _mm512_load_ps(sums);
  }
};

std::string_view missing(const CpuFeatures& features) { return features.avx512 ? "" : "AVX-512"; }

constexpr SoftmaxPath kPath{"avx512",
                            DType::f32,
                            missing,
                            {Tile<F32>::begin, Tile<F32>::attend, Tile<F32>::finish},
                            {Rows<F32>::begin, Rows<F32>::attend, Rows<F32>::finish},
                            {Tile<F32>::begin, Tile<F32>::attend, Tile<F32>::finish},
                            {Rows<F32>::begin, Rows<F32>::attend, Rows<F32>::finish},
                            Rows<F32>::kMost,
                            nullptr,
                            1,
                            nullptr,
                            1,
                            kTileKeys,
                            4};

}  // namespace
}  // namespace attnbench::cpu::fused

ATTNBENCH_REGISTER_KERNEL(fused_softmax_avx512) {
  static const attnbench::cpu::fused::SoftmaxKernel kernel(attnbench::cpu::fused::kPath);
  return kernel;
}
