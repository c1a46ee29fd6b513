// Elements of tensors as f32 vectors of whatever target is being compiled: included once for each.
#if defined(ATTNBENCH_CPU_ELEMENTS_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTNBENCH_CPU_ELEMENTS_H
#undef ATTNBENCH_CPU_ELEMENTS_H
#else
#define ATTNBENCH_CPU_ELEMENTS_H
#endif

#include <hwy/highway.h>

#include <cstdint>

#include "attnbench/dtype.h"

HWY_BEFORE_NAMESPACE();
namespace attnbench::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// One vector of elements, as f32.
template <typename Tag>
HWY_INLINE hn::Vec<Tag> load_elements(Tag d, const float* from) {
  return hn::LoadU(d, from);
}
template <typename Tag>
HWY_INLINE hn::Vec<Tag> load_elements(Tag d, const bf16_t* from) {
  const hn::RebindToUnsigned<Tag> du;
  const hn::Rebind<std::uint16_t, Tag> halves;
  const auto bits = hn::LoadU(halves, reinterpret_cast<const std::uint16_t*>(from));
  return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(du, bits)));
}

/// Rounds to nearest even; NaN stays NaN.
template <typename Tag>
HWY_INLINE void store_elements(Tag d, hn::Vec<Tag> x, float* to) {
  hn::StoreU(x, d, to);
}
template <typename Tag>
HWY_INLINE void store_elements(Tag, hn::Vec<Tag> x, bf16_t* to) {
  const hn::RebindToUnsigned<Tag> du;
  const hn::RebindToSigned<Tag> di;
  const hn::Rebind<std::uint16_t, Tag> halves;
  const auto bits = hn::BitCast(du, x);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
  const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7fff)));
  const auto quiet = hn::Or(bits, hn::Set(du, 0x00400000));
  const auto chosen = hn::IfThenElse(hn::RebindMask(du, hn::IsNaN(x)), quiet, rounded);
  hn::StoreU(hn::DemoteTo(halves, hn::BitCast(di, hn::ShiftRight<16>(chosen))), halves,
             reinterpret_cast<std::uint16_t*>(to));
}

#if HWY_ARCH_ARM_A64 || (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX2)
// Targets with instructions for it: F16C, which Highway's AVX2 includes, and NEON.
template <typename Tag>
HWY_INLINE hn::Vec<Tag> load_elements(Tag d, const f16_t* from) {
  const hn::Rebind<std::uint16_t, Tag> halves;
  const hn::Rebind<hwy::float16_t, Tag> numbers;
  return hn::PromoteTo(d,
                       hn::BitCast(numbers, hn::LoadU(halves, reinterpret_cast<const std::uint16_t*>(from))));
}
template <typename Tag>
HWY_INLINE void store_elements(Tag, hn::Vec<Tag> x, f16_t* to) {
  const hn::Rebind<std::uint16_t, Tag> halves;
  const hn::Rebind<hwy::float16_t, Tag> numbers;
  hn::StoreU(hn::BitCast(halves, hn::DemoteTo(numbers, x)), halves, reinterpret_cast<std::uint16_t*>(to));
}
#else
// By integer arithmetic, as f16_t does: Highway's own form for these targets does not round, nor keep NaN.
template <typename Tag>
HWY_INLINE hn::Vec<Tag> load_elements(Tag d, const f16_t* from) {
  const hn::RebindToUnsigned<Tag> du;
  const hn::RebindToSigned<Tag> di;
  const hn::Rebind<std::uint16_t, Tag> halves;
  const auto bits = hn::PromoteTo(du, hn::LoadU(halves, reinterpret_cast<const std::uint16_t*>(from)));
  const auto sign = hn::ShiftLeft<16>(hn::And(bits, hn::Set(du, 0x8000)));
  const auto magnitude = hn::BitCast(di, hn::And(bits, hn::Set(du, 0x7fff)));
  const auto bias = hn::Set(di, 112 << 23);
  const auto normal = hn::Add(hn::ShiftLeft<13>(magnitude), bias);
  const auto subnormal = hn::BitCast(di, hn::Mul(hn::ConvertTo(d, magnitude), hn::Set(d, 0x1p-24F)));
  const auto infinite = hn::Gt(magnitude, hn::Set(di, 0x7bff));
  const auto finite = hn::IfThenElse(hn::Gt(hn::Set(di, 0x0400), magnitude), subnormal, normal);
  const auto wide = hn::IfThenElse(infinite, hn::Add(normal, bias), finite);
  return hn::BitCast(d, hn::Or(hn::BitCast(du, wide), sign));
}
template <typename Tag>
HWY_INLINE void store_elements(Tag d, hn::Vec<Tag> x, f16_t* to) {
  const hn::RebindToUnsigned<Tag> du;
  const hn::RebindToSigned<Tag> di;
  const hn::Rebind<std::uint16_t, Tag> halves;
  const auto bits = hn::BitCast(du, x);
  const auto sign = hn::And(bits, hn::Set(du, 0x80000000));
  const auto magnitude = hn::BitCast(di, hn::Xor(bits, sign));
  const auto odd = hn::And(hn::ShiftRight<13>(magnitude), hn::Set(di, 1));
  const auto rebiased = hn::Sub(magnitude, hn::Set(di, (112 << 23) - 0xfff));
  const auto normal = hn::Min(hn::ShiftRight<13>(hn::Add(rebiased, odd)), hn::Set(di, 0x7c00));
  // Numbers in [1/2, 1) are multiples of 2^-24: the sum is rounded as the subnormal must be.
  const auto half = hn::Set(d, 0.5F);
  const auto sum = hn::Add(hn::BitCast(d, magnitude), half);
  const auto subnormal = hn::Sub(hn::BitCast(di, sum), hn::BitCast(di, half));
  const auto smallest = hn::Set(di, 0x38800000);  // 2^-14
  const auto number = hn::IfThenElse(hn::Gt(smallest, magnitude), subnormal, normal);
  const auto infinity = hn::Set(di, 0x7f800000);
  const auto chosen = hn::IfThenElse(hn::Gt(magnitude, infinity), hn::Set(di, 0x7e00), number);
  const auto half_bits = hn::Or(chosen, hn::BitCast(di, hn::ShiftRight<16>(sign)));
  hn::StoreU(hn::DemoteTo(halves, half_bits), halves, reinterpret_cast<std::uint16_t*>(to));
}
#endif

}  // namespace attnbench::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
