#pragma once

namespace attnbench::cpu::fused {

/// Coefficients of 2^f on [-1/2, 1/2], lowest first: minimax in relative error with the first one held at 1,
/// so that whole powers of two, and the rescaling factors among them, are exact.
template <int Degree>
struct Exp2Coefficients;
/// Error 1.0e-4: invisible once P is rounded to bf16 (half an ulp is 1.95e-3). Degree 2 would not be.
template <>
struct Exp2Coefficients<3> {
  static constexpr float c[] = {1.0F, 0.69328293F, 0.24221096F, 0.055008930F};
};
/// Error 9.1e-8, three quarters of an ulp of f32.
template <>
struct Exp2Coefficients<5> {
  static constexpr float c[] = {1.0F,          0.6931469776F, 0.2402224209F,
                                0.0555073374F, 0.0096715126F, 0.0013264727F};
};

}  // namespace attnbench::cpu::fused
