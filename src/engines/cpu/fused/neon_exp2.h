#pragma once

#include <arm_neon.h>

#include "engines/cpu/fused/exp2_coefficients.h"

namespace attnbench::cpu::fused {

/// 2^x for x <= 30, exactly 0 from -127 down, NaN for NaN.
__attribute__((always_inline)) inline float32x4_t exp2_of(float32x4_t x) {
  constexpr const auto& c = Exp2Coefficients<5>::c;
  const auto magic = vdupq_n_f32(12582912.0F);  // 1.5 * 2^23: the sum's low bits are round(x)
  x = vmaxq_f32(vdupq_n_f32(-127.0F), x);
  const auto shifted = vaddq_f32(x, magic);
  const auto f = vsubq_f32(x, vsubq_f32(shifted, magic));
  auto p = vdupq_n_f32(c[5]);
  for (int k = 4; k >= 0; --k) p = vfmaq_f32(vdupq_n_f32(c[k]), p, f);
  return vreinterpretq_f32_s32(
      vaddq_s32(vreinterpretq_s32_f32(p), vshlq_n_s32(vreinterpretq_s32_f32(shifted), 23)));
}

}  // namespace attnbench::cpu::fused
