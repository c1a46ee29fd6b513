// Rows of elements as f32 vectors, and phi of them, for whatever target is being compiled: included once for
// each.
#if defined(ATTNBENCH_LINEAR_HIGHWAY_PHI_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ATTNBENCH_LINEAR_HIGHWAY_PHI_H
#undef ATTNBENCH_LINEAR_HIGHWAY_PHI_H
#else
#define ATTNBENCH_LINEAR_HIGHWAY_PHI_H
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>

#include "engines/cpu/elements.h"
#include "engines/cpu/fused/linear/exp2_table.h"
#include "engines/cpu/fused/linear/ops.h"

HWY_BEFORE_NAMESPACE();
namespace attnbench::cpu::linear::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using cpu::HWY_NAMESPACE::load_elements;
using cpu::HWY_NAMESPACE::store_elements;

using D = hn::CappedTag<float, 16>;
using Vector = hn::Vec<D>;
inline constexpr std::int64_t kLanes = hn::MaxLanes(D());

/// ln 2 in two parts: a small integer times the first is exact, with or without fused multiply-add.
inline constexpr float kLn2High = 0.693359375f;
inline constexpr float kLn2Low = -2.12194440e-4f;

HWY_INLINE Vector load(const Cell* from) { return hn::LoadU(D(), reinterpret_cast<const float*>(from)); }
HWY_INLINE void store(Vector x, Cell* to) { hn::StoreU(x, D(), reinterpret_cast<float*>(to)); }

/// The first `count` elements, zero beyond.
template <typename T>
HWY_INLINE Vector load_first(const T* from, std::int64_t count) {
  if (count >= kLanes) return load_elements(D(), from);
  T padded[16] = {};
  std::copy_n(from, std::max<std::int64_t>(count, 0), padded);
  return load_elements(D(), padded);
}

template <typename T>
HWY_INLINE void store_first(Vector x, T* to, std::int64_t count) {
  if (count >= kLanes) return store_elements(D(), x, to);
  T padded[16];
  store_elements(D(), x, padded);
  std::copy_n(padded, std::max<std::int64_t>(count, 0), to);
}

/// exp for x <= 0, zero below -87: Cephes' polynomial on [-ln2/2, ln2/2] (relative error 1e-7).
HWY_INLINE Vector exp(Vector x) {
  const D d;
  const hn::RebindToSigned<D> di;
  const auto magic = hn::Set(d, 0x1.8p23f);
  const auto shifted = hn::MulAdd(x, hn::Set(d, 1.44269504f), magic);
  const auto n = hn::Sub(shifted, magic);
  const auto r = hn::NegMulAdd(n, hn::Set(d, kLn2Low), hn::NegMulAdd(n, hn::Set(d, kLn2High), x));
  auto p = hn::Set(d, 1.9875691500e-4f);
  p = hn::MulAdd(p, r, hn::Set(d, 1.3981999507e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 8.3334519073e-3f));
  p = hn::MulAdd(p, r, hn::Set(d, 4.1665795894e-2f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.6666665459e-1f));
  p = hn::MulAdd(p, r, hn::Set(d, 5.0000001201e-1f));
  p = hn::Add(hn::MulAdd(hn::Mul(r, r), p, r), hn::Set(d, 1.0f));
  const auto power = hn::BitCast(d, hn::Add(hn::BitCast(di, p), hn::ShiftLeft<23>(hn::BitCast(di, shifted))));
  return hn::IfThenElseZero(hn::Gt(x, hn::Set(d, -87.0f)), power);
}

#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
/// The same by a table and a cubic, six operations on the FMA units instead of ten: a row of 64 takes 10.7 ns
/// instead of 15.5 (Zen 4).
HWY_INLINE Vector exp_by_table(Vector x) {
  const D d;
  const hn::RebindToSigned<D> di;
  const auto low = hn::Max(hn::Set(d, kUnderflow), x);
  const auto magic = hn::Set(d, 0x1.8p23f);
  const auto shifted = hn::MulAdd(low, hn::Set(d, 0x1.715476p+4f), magic);
  const auto r = hn::NegMulAdd(hn::Sub(shifted, magic), hn::Set(d, 0x1.62e43p-5f), low);
  const auto n = hn::BitCast(di, shifted);
  const auto table = hn::Load(di, reinterpret_cast<const std::int32_t*>(kExp2Table.data()));
  const auto power =
      hn::BitCast(d, hn::Add(hn::TableLookupLanes(table, hn::IndicesFromVec(di, hn::And(n, hn::Set(di, 15)))),
                             hn::ShiftLeft<19>(n)));
  auto p = hn::MulAdd(r, hn::Set(d, 1.0f / 6), hn::Set(d, 0.5f));
  p = hn::MulAdd(p, r, hn::Set(d, 1.0f));
  return hn::MulAdd(power, hn::Mul(p, r), power);
}
#endif

/// max(x, 0), NaN where x is NaN: x86 returns the second operand then, NEON the number.
HWY_INLINE Vector positive_part(Vector x) {
  const auto zero = hn::Zero(D());
#if HWY_ARCH_X86
  return hn::Max(zero, x);
#else
  return hn::IfThenElse(hn::Lt(x, zero), zero, x);
#endif
}

/// elu(x) + 1. NaN stays NaN.
HWY_INLINE Vector phi(Vector x) {
#if HWY_TARGET <= HWY_AVX3 && HWY_ARCH_X86
  return hn::IfThenElse(hn::Gt(x, hn::Zero(D())), hn::Add(x, hn::Set(D(), 1.0f)), exp_by_table(x));
#else
  return hn::Add(positive_part(x), exp(hn::Min(x, hn::Zero(D()))));
#endif
}

}  // namespace attnbench::cpu::linear::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();
#endif
