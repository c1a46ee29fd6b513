#include "engines/cpu/row_ops.h"

#include <cmath>
#include <limits>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engines/cpu/row_ops.cc"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include "engines/cpu/elements.h"

HWY_BEFORE_NAMESPACE();
namespace attnbench::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

constexpr float kLog2e = 1.44269504F;

HWY_INLINE std::int64_t lanes() { return static_cast<std::int64_t>(hn::Lanes(D())); }

/// 2^t, error below 1.5 ulp; 0 below 2^-125 and for -inf. The rounding constant leaves t's nearest integer in
/// the low mantissa bits; 2^f on [-1/2, 1/2] is the minimax polynomial of degree 5 (relative error 7.5e-8).
HWY_INLINE V exp2(V t) {
  const D d;
  const hn::RebindToSigned<D> di;
  const auto magic = hn::Set(d, 12582912.0F);  // 1.5 * 2^23
  const auto shifted = hn::Add(t, magic);
  const auto f = hn::Sub(t, hn::Sub(shifted, magic));
  auto p = hn::Set(d, 1.3276472e-3F);
  p = hn::MulAdd(p, f, hn::Set(d, 9.6755413e-3F));
  p = hn::MulAdd(p, f, hn::Set(d, 5.5507133e-2F));
  p = hn::MulAdd(p, f, hn::Set(d, 2.4022120e-1F));
  p = hn::MulAdd(p, f, hn::Set(d, 6.9314697e-1F));
  p = hn::MulAdd(p, f, hn::Set(d, 1.0000001F));
  const auto exponent = hn::ShiftLeft<23>(hn::BitCast(di, shifted));
  const auto power = hn::BitCast(d, hn::Add(hn::BitCast(di, p), exponent));
  return hn::IfThenElseZero(hn::Ge(t, hn::Set(d, -125.0F)), power);
}

template <typename T>
HWY_INLINE float as_float(const T& x) {
  return static_cast<float>(x);
}
HWY_INLINE float as_float(const f16_t& x) {
  return hn::GetLane(load_elements(hn::CappedTag<float, 1>(), &x));
}

/// Rounds finite values, as probabilities are.
template <typename T>
HWY_INLINE void store_finite(V x, T* result) {
  store_elements(D(), x, result);
}
HWY_INLINE void store_finite(V x, bf16_t* result) {
  const hn::RebindToUnsigned<D> du;
  const hn::RebindToSigned<D> di;
  const hn::Rebind<std::uint16_t, D> halves;
  const auto bits = hn::BitCast(du, x);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(du, 1));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7fff))));
  hn::StoreU(hn::DemoteTo(halves, hn::BitCast(di, rounded)), halves,
             reinterpret_cast<std::uint16_t*>(result));
}

float row_maximum(const float* row, std::int64_t cols) {
  const D d;
  const auto n = lanes();
  auto m0 = hn::LoadU(d, row);
  auto m1 = m0, m2 = m0, m3 = m0;
  std::int64_t j = 0;
  for (; j + 4 * n <= cols; j += 4 * n) {
    m0 = hn::Max(m0, hn::LoadU(d, row + j));
    m1 = hn::Max(m1, hn::LoadU(d, row + j + n));
    m2 = hn::Max(m2, hn::LoadU(d, row + j + 2 * n));
    m3 = hn::Max(m3, hn::LoadU(d, row + j + 3 * n));
  }
  for (; j < cols; j += n) m0 = hn::Max(m0, hn::LoadU(d, row + j));
  return hn::GetLane(hn::MaxOfLanes(d, hn::Max(hn::Max(m0, m1), hn::Max(m2, m3))));
}

/// row = 2^(factor * (row - maximum)); returns the sum. The difference comes first so that large scores lose
/// nothing where there is no fused multiply-add.
float exponentials(float* row, std::int64_t cols, float factor, float maximum) {
  const D d;
  const auto n = lanes();
  const auto vf = hn::Set(d, factor);
  const auto vm = hn::Set(d, maximum);
  const auto step = [&](std::int64_t j) HWY_ATTR {
    const auto e = exp2(hn::Mul(hn::Sub(hn::LoadU(d, row + j), vm), vf));
    hn::StoreU(e, d, row + j);
    return e;
  };
  auto s0 = hn::Zero(d);
  auto s1 = s0;
  std::int64_t j = 0;
  for (; j + 2 * n <= cols; j += 2 * n) {
    s0 = hn::Add(s0, step(j));
    s1 = hn::Add(s1, step(j + n));
  }
  for (; j < cols; j += n) s0 = hn::Add(s0, step(j));
  return hn::GetLane(hn::SumOfLanes(d, hn::Add(s0, s1)));
}

template <typename T>
void softmax_rows_as(const ScoreRows& s, float scale, const LseColumn& lse) {
  const D d;
  const auto n = lanes();
  constexpr auto kInf = std::numeric_limits<float>::infinity();
  const auto padded = (s.cols + n - 1) / n * n;
  for (std::int64_t r = 0; r < s.rows; ++r) {
    float* row = s.scores + r * s.stride;
    T* p = reinterpret_cast<T*>(row);
    for (auto j = s.cols; j < padded; ++j) row[j] = -kInf;
    const float maximum = row_maximum(row, padded);
    if (maximum == -kInf) {
      for (std::int64_t j = 0; j < padded; j += n) store_finite(hn::Zero(d), p + j);
      if (lse.first != nullptr) lse.first[r * lse.stride] = -kInf;
      continue;
    }
    const float sum = exponentials(row, padded, scale * kLog2e, maximum);
    const auto inverse = hn::Set(d, 1.0F / sum);
    // In two bytes the results overtake no score still to be read: they advance half as fast.
    for (std::int64_t j = 0; j < padded; j += n) store_finite(hn::Mul(hn::LoadU(d, row + j), inverse), p + j);
    if (lse.first != nullptr) lse.first[r * lse.stride] = maximum * scale + std::log(sum);
  }
}

void softmax_rows(const ScoreRows& rows, float scale, DType p_type, const LseColumn& lse) {
  visit(p_type, [&](auto type) {
    using T = typename decltype(type)::type;
    softmax_rows_as<T>(rows, scale, lse);
  });
}

void fill(float* row, std::int64_t begin, std::int64_t end, float value) {
  const D d;
  const auto n = lanes();
  auto j = begin;
  for (; j + n <= end; j += n) hn::StoreU(hn::Set(d, value), d, row + j);
  for (; j < end; ++j) row[j] = value;
}

void multiply(const ScoreRows& s, float factor) {
  const D d;
  const auto n = lanes();
  const auto vf = hn::Set(d, factor);
  for (std::int64_t r = 0; r < s.rows; ++r) {
    float* row = s.scores + r * s.stride;
    for (std::int64_t j = 0; j < s.cols; j += n) hn::StoreU(hn::Mul(hn::LoadU(d, row + j), vf), d, row + j);
  }
}

template <typename T>
void phi_as(const T* x, T* result, std::int64_t cols) {
  const D d;
  const auto n = lanes();
  std::int64_t j = 0;
  for (; j + n <= cols; j += n) {
    const auto v = load_elements(D(), x + j);
    const auto positive = hn::Gt(v, hn::Zero(d));
    const auto exponential = exp2(hn::Mul(hn::Min(v, hn::Zero(d)), hn::Set(d, kLog2e)));
    store_elements(D(), hn::IfThenElse(positive, hn::Add(v, hn::Set(d, 1.0F)), exponential), result + j);
  }
  for (; j < cols; ++j) {
    const float v = as_float(x[j]);
    result[j] = static_cast<T>(v > 0 ? v + 1 : std::exp(v));
  }
}

void phi(const void* x, void* result, std::int64_t cols, DType dtype) {
  visit(dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    phi_as(static_cast<const T*>(x), static_cast<T*>(result), cols);
  });
}

template <typename T>
void divide_as(const float* sums, float divisor, T* result, std::int64_t cols) {
  const D d;
  const auto n = lanes();
  const auto inverse = 1.0F / divisor;
  std::int64_t j = 0;
  for (; j + n <= cols; j += n) {
    store_elements(D(), hn::Mul(hn::LoadU(d, sums + j), hn::Set(d, inverse)), result + j);
  }
  for (; j < cols; ++j) result[j] = static_cast<T>(sums[j] * inverse);
}

void divide(const float* sums, float divisor, void* result, std::int64_t cols, DType dtype) {
  visit(dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    divide_as(sums, divisor, static_cast<T*>(result), cols);
  });
}

template <typename T>
void column_sums_as(const T* x, float* sums, std::int64_t rows, std::int64_t cols) {
  const D d;
  const auto n = lanes();
  std::int64_t c = 0;
  for (; c + 4 * n <= cols; c += 4 * n) {
    auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
    for (std::int64_t r = 0; r < rows; ++r) {
      const T* row = x + r * cols + c;
      s0 = hn::Add(s0, load_elements(D(), row));
      s1 = hn::Add(s1, load_elements(D(), row + n));
      s2 = hn::Add(s2, load_elements(D(), row + 2 * n));
      s3 = hn::Add(s3, load_elements(D(), row + 3 * n));
    }
    hn::StoreU(s0, d, sums + c);
    hn::StoreU(s1, d, sums + c + n);
    hn::StoreU(s2, d, sums + c + 2 * n);
    hn::StoreU(s3, d, sums + c + 3 * n);
  }
  for (; c < cols; ++c) {
    sums[c] = 0;
    for (std::int64_t r = 0; r < rows; ++r) sums[c] += as_float(x[r * cols + c]);
  }
}

void column_sums(const void* x, float* sums, std::int64_t rows, std::int64_t cols, DType dtype) {
  visit(dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    column_sums_as(static_cast<const T*>(x), sums, rows, cols);
  });
}

template <typename T>
float dot_as(const T* x, const float* y, std::int64_t cols) {
  const D d;
  const auto n = lanes();
  auto sum = hn::Zero(d);
  std::int64_t j = 0;
  for (; j + n <= cols; j += n) sum = hn::MulAdd(load_elements(D(), x + j), hn::LoadU(d, y + j), sum);
  float total = hn::GetLane(hn::SumOfLanes(d, sum));
  for (; j < cols; ++j) total += as_float(x[j]) * y[j];
  return total;
}

float dot(const void* x, const float* y, std::int64_t cols, DType dtype) {
  return visit(dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    return dot_as(static_cast<const T*>(x), y, cols);
  });
}

template <typename T>
void multiply_add_as(float factor, const T* x, const float* addend, float* result, std::int64_t cols) {
  const D d;
  const auto n = lanes();
  const auto vf = hn::Set(d, factor);
  std::int64_t j = 0;
  for (; j + n <= cols; j += n) {
    hn::StoreU(hn::MulAdd(vf, load_elements(D(), x + j), hn::LoadU(d, addend + j)), d, result + j);
  }
  for (; j < cols; ++j) result[j] = addend[j] + factor * as_float(x[j]);
}

void multiply_add(float factor, const void* x, const float* addend, float* result, std::int64_t cols,
                  DType dtype) {
  visit(dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    multiply_add_as(factor, static_cast<const T*>(x), addend, result, cols);
  });
}

template <typename T>
void add_outer_product_as(const T* x, const T* y, const float* addend, float* result, std::int64_t rows,
                          std::int64_t cols) {
  for (std::int64_t r = 0; r < rows; ++r) {
    multiply_add_as(as_float(x[r]), y, addend + r * cols, result + r * cols, cols);
  }
}

void add_outer_product(const void* x, const void* y, const float* addend, float* result, std::int64_t rows,
                       std::int64_t cols, DType dtype) {
  visit(dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    add_outer_product_as(static_cast<const T*>(x), static_cast<const T*>(y), addend, result, rows, cols);
  });
}

template <typename T>
void row_times_matrix_as(const T* x, const float* matrix, float* result, std::int64_t rows,
                         std::int64_t cols) {
  const D d;
  const auto n = lanes();
  std::int64_t c = 0;
  for (; c + 4 * n <= cols; c += 4 * n) {
    auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
    for (std::int64_t r = 0; r < rows; ++r) {
      const auto factor = hn::Set(d, as_float(x[r]));
      const float* row = matrix + r * cols + c;
      s0 = hn::MulAdd(factor, hn::LoadU(d, row), s0);
      s1 = hn::MulAdd(factor, hn::LoadU(d, row + n), s1);
      s2 = hn::MulAdd(factor, hn::LoadU(d, row + 2 * n), s2);
      s3 = hn::MulAdd(factor, hn::LoadU(d, row + 3 * n), s3);
    }
    hn::StoreU(s0, d, result + c);
    hn::StoreU(s1, d, result + c + n);
    hn::StoreU(s2, d, result + c + 2 * n);
    hn::StoreU(s3, d, result + c + 3 * n);
  }
  for (; c + n <= cols; c += n) {
    auto sum = hn::Zero(d);
    for (std::int64_t r = 0; r < rows; ++r) {
      sum = hn::MulAdd(hn::Set(d, as_float(x[r])), hn::LoadU(d, matrix + r * cols + c), sum);
    }
    hn::StoreU(sum, d, result + c);
  }
  for (; c < cols; ++c) {
    float sum = 0;
    for (std::int64_t r = 0; r < rows; ++r) sum += as_float(x[r]) * matrix[r * cols + c];
    result[c] = sum;
  }
}

void row_times_matrix(const void* x, const float* matrix, float* result, std::int64_t rows, std::int64_t cols,
                      DType dtype) {
  visit(dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    row_times_matrix_as(static_cast<const T*>(x), matrix, result, rows, cols);
  });
}

template <typename T>
void widen_as(const T* x, float* result, std::int64_t cols) {
  const D d;
  const auto n = lanes();
  std::int64_t j = 0;
  for (; j + n <= cols; j += n) hn::StoreU(load_elements(d, x + j), d, result + j);
  for (; j < cols; ++j) result[j] = as_float(x[j]);
}

void widen(const void* x, float* result, std::int64_t cols, DType dtype) {
  visit(dtype, [&](auto type) {
    using T = typename decltype(type)::type;
    widen_as(static_cast<const T*>(x), result, cols);
  });
}

}  // namespace attnbench::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace attnbench::cpu {
HWY_EXPORT(softmax_rows);
HWY_EXPORT(fill);
HWY_EXPORT(multiply);
HWY_EXPORT(phi);
HWY_EXPORT(divide);
HWY_EXPORT(column_sums);
HWY_EXPORT(dot);
HWY_EXPORT(multiply_add);
HWY_EXPORT(add_outer_product);
HWY_EXPORT(row_times_matrix);
HWY_EXPORT(widen);

void softmax_rows(const ScoreRows& rows, float scale, DType p_type, const LseColumn& lse) {
  HWY_DYNAMIC_DISPATCH(softmax_rows)(rows, scale, p_type, lse);
}
void fill(float* row, std::int64_t begin, std::int64_t end, float value) {
  HWY_DYNAMIC_DISPATCH(fill)(row, begin, end, value);
}
void multiply(const ScoreRows& rows, float factor) { HWY_DYNAMIC_DISPATCH(multiply)(rows, factor); }
void phi(const void* x, void* result, std::int64_t cols, DType dtype) {
  HWY_DYNAMIC_DISPATCH(phi)(x, result, cols, dtype);
}
void divide(const float* sums, float divisor, void* result, std::int64_t cols, DType dtype) {
  HWY_DYNAMIC_DISPATCH(divide)(sums, divisor, result, cols, dtype);
}
void column_sums(const void* x, float* sums, std::int64_t rows, std::int64_t cols, DType dtype) {
  HWY_DYNAMIC_DISPATCH(column_sums)(x, sums, rows, cols, dtype);
}
float dot(const void* x, const float* y, std::int64_t cols, DType dtype) {
  return HWY_DYNAMIC_DISPATCH(dot)(x, y, cols, dtype);
}
void multiply_add(float factor, const void* x, const float* addend, float* result, std::int64_t cols,
                  DType dtype) {
  HWY_DYNAMIC_DISPATCH(multiply_add)(factor, x, addend, result, cols, dtype);
}
void add_outer_product(const void* x, const void* y, const float* addend, float* result, std::int64_t rows,
                       std::int64_t cols, DType dtype) {
  HWY_DYNAMIC_DISPATCH(add_outer_product)(x, y, addend, result, rows, cols, dtype);
}
void row_times_matrix(const void* x, const float* matrix, float* result, std::int64_t rows, std::int64_t cols,
                      DType dtype) {
  HWY_DYNAMIC_DISPATCH(row_times_matrix)(x, matrix, result, rows, cols, dtype);
}
void widen(const void* x, float* result, std::int64_t cols, DType dtype) {
  HWY_DYNAMIC_DISPATCH(widen)(x, result, cols, dtype);
}
}  // namespace attnbench::cpu
#endif
