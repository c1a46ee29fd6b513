#include <arm_neon.h>

#include <algorithm>
#include <array>

#include "engines/cpu/ceilings/loops.h"

namespace attnbench {
namespace {

constexpr std::size_t kAccumulators = 24;
/// Of an instruction: 2 x 2 sums of four products, and four of one.
constexpr double kFlopsOfBfmmla = 4 * 4 * 2;
constexpr double kFlopsOfFmlal = 4 * 2;

/// Sums end at 2^26, where 4 more are rounded away.
__attribute__((target("arch=armv8.2-a+bf16"))) void bfmmla_neon(std::int64_t n) {
  uint16x8_t ones = vdupq_n_u16(0x3f80);
  __asm__ volatile("" : "+w"(ones));
  const auto factor = vreinterpretq_bf16_u16(ones);
  std::array<float32x4_t, kAccumulators> x;
  for (auto& a : x) a = vdupq_n_f32(0);
  for (; n > 0; --n) {
#pragma GCC unroll 24
    for (auto& a : x) a = vbfmmlaq_f32(a, factor, factor);
  }
  __asm__ volatile("" : : "m"(x));
}

/// Sums end at 2^24, where 1 more is rounded away.
__attribute__((target("arch=armv8.2-a+fp16fml"))) void fmlal_neon(std::int64_t n) {
  uint16x8_t ones = vdupq_n_u16(0x3c00);
  __asm__ volatile("" : "+w"(ones));
  const auto factor = vreinterpretq_f16_u16(ones);
  std::array<float32x4_t, kAccumulators> x;
  for (auto& a : x) a = vdupq_n_f32(0);
  for (; n > 0; --n) {
#pragma GCC unroll 24
    for (auto& a : x) a = vfmlalq_low_f16(a, factor, factor);
  }
  __asm__ volatile("" : : "m"(x));
}

}  // namespace

ComputeLoop bfmmla_loop() {
  return {"bfmmla", "neonbf16", DType::bf16, kFlopsOfBfmmla * static_cast<double>(kAccumulators),
          bfmmla_neon};
}

ComputeLoop fmlal_loop() {
  return {"fmlal", "neonf16", DType::f16, kFlopsOfFmlal * static_cast<double>(kAccumulators), fmlal_neon};
}

}  // namespace attnbench
