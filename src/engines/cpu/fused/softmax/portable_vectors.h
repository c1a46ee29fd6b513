// Vectors of whatever target is being compiled: included once for each.
#if defined(ATTNBENCH_PORTABLE_VECTORS_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTNBENCH_PORTABLE_VECTORS_H
#undef ATTNBENCH_PORTABLE_VECTORS_H
#else
#define ATTNBENCH_PORTABLE_VECTORS_H
#endif

#include <hwy/highway.h>

#include <cstdint>

#include "engines/cpu/elements.h"
#include "engines/cpu/fused/exp2_coefficients.h"
#include "engines/cpu/fused/softmax/block.h"

HWY_BEFORE_NAMESPACE();
namespace attnbench::cpu::fused::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using cpu::HWY_NAMESPACE::load_elements;
using cpu::HWY_NAMESPACE::store_elements;

using D = hn::CappedTag<float, kHalfLanes>;
using Vector = hn::Vec<D>;
using Quarter = hn::CappedTag<float, 4>;
inline constexpr int kWidth = static_cast<int>(hn::MaxLanes(D()));
static_assert(kHalfLanes % kWidth == 0);
#if HWY_ARCH_ARM_A64 || (HWY_ARCH_X86 && HWY_TARGET <= HWY_AVX3)
inline constexpr int kRegisters = 32;
#else
inline constexpr int kRegisters = 16;
#endif

HWY_INLINE Vector load(const float* from) { return hn::LoadU(D(), from); }
HWY_INLINE void store(Vector x, float* to) { hn::StoreU(x, D(), to); }

/// max(x, bound), NaN where x is NaN: x86 returns the second operand then, NEON the number.
HWY_INLINE Vector at_least(float bound, Vector x) {
  const auto b = hn::Set(D(), bound);
#if HWY_ARCH_X86
  return hn::Max(b, x);
#else
  return hn::IfThenElse(hn::Lt(x, b), b, x);
#endif
}

/// 2^x for x <= 30, exactly 0 from -127 down: the exponent takes away all that the polynomial, 1 there, has.
HWY_INLINE Vector exp2_of(Vector x) {
  const D d;
  const hn::RebindToSigned<D> di;
  constexpr const auto& c = Exp2Coefficients<5>::c;
  const auto magic = hn::Set(d, 12582912.0F);  // 1.5 * 2^23: the sum's low bits are round(x)
  x = at_least(-127.0F, x);
  const auto shifted = hn::Add(x, magic);
  const auto f = hn::Sub(x, hn::Sub(shifted, magic));
  auto p = hn::Set(d, c[5]);
  HWY_UNROLL(5)
  for (int k = 4; k >= 0; --k) p = hn::MulAdd(p, f, hn::Set(d, c[k]));
  return hn::BitCast(d, hn::Add(hn::BitCast(di, p), hn::ShiftLeft<23>(hn::BitCast(di, shifted))));
}

/// Row r column c becomes row c column r.
template <typename Tag, typename V>
HWY_INLINE void transpose_4x4(Tag d, V (&rows)[4]) {
  const hn::RepartitionToWide<hn::RebindToUnsigned<Tag>> dw;
  const auto low01 = hn::BitCast(dw, hn::InterleaveLower(d, rows[0], rows[1]));
  const auto low23 = hn::BitCast(dw, hn::InterleaveLower(d, rows[2], rows[3]));
  const auto high01 = hn::BitCast(dw, hn::InterleaveUpper(d, rows[0], rows[1]));
  const auto high23 = hn::BitCast(dw, hn::InterleaveUpper(d, rows[2], rows[3]));
  rows[0] = hn::BitCast(d, hn::InterleaveLower(dw, low01, low23));
  rows[1] = hn::BitCast(d, hn::InterleaveUpper(dw, low01, low23));
  rows[2] = hn::BitCast(d, hn::InterleaveLower(dw, high01, high23));
  rows[3] = hn::BitCast(d, hn::InterleaveUpper(dw, high01, high23));
}

/// Copies `count` (a multiple of 16) elements, as f32.
template <typename T>
HWY_INLINE void widen(const T* from, std::int64_t count, float* to) {
  for (std::int64_t i = 0; i < count; i += kWidth) store(load_elements(D(), from + i), to + i);
}

}  // namespace attnbench::cpu::fused::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
