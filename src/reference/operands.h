#pragma once

#include <cmath>
#include <cstdint>
#include <vector>

#include "attnbench/tensor.h"
#include "reference/elements.h"

namespace attnbench::reference {

/// Whether a row of softmax is summed from the first key and column on, or from the last.
enum class Order { forwards, backwards };

/// Arithmetic of the oracle: float64, nothing rounded.
struct Float64 {
  using Real = double;
  static constexpr Order kOrder = Order::forwards;
  static double round(DType, double value) { return value; }
};

/// Arithmetic of the plain form: f32, rounded where an implementation would store an element.
template <Order order>
struct Plain {
  using Real = float;
  static constexpr Order kOrder = order;
  static float round(DType dtype, float value) { return round_to(dtype, value); }
};

/// Summed in order: other orders (lanes, blocks) err less, and the plain form is to err as loops do.
template <typename Real>
Real dot(const Real* a, const Real* b, std::int64_t count) {
  Real sum = 0;
  for (std::int64_t c = 0; c < count; ++c) sum += a[c] * b[c];
  return sum;
}

/// out += factor * row.
template <typename Real>
void add_scaled(Real* out, Real factor, const Real* row, std::int64_t count) {
  for (std::int64_t c = 0; c < count; ++c) out[c] += factor * row[c];
}

/// A dense matrix in the arithmetic's type.
template <typename Real>
struct Matrix {
  std::int64_t rows = 0;
  std::int64_t columns = 0;
  std::vector<Real> values;

  Matrix() = default;
  Matrix(std::int64_t r, std::int64_t c)
      : rows(r), columns(c), values(static_cast<std::size_t>(r * c), Real{0}) {}
  /// What there is keeps no meaning.
  void resize(std::int64_t r, std::int64_t c) {
    rows = r;
    columns = c;
    values.resize(static_cast<std::size_t>(r * c));
  }
  Real* row(std::int64_t i) { return values.data() + i * columns; }
  const Real* row(std::int64_t i) const { return values.data() + i * columns; }
};

/// Columns [begin, begin + width) of a weight view.
template <typename Real>
Matrix<Real> load_columns(const TensorView& weights, std::int64_t begin, std::int64_t width) {
  Matrix<Real> result(weights.sizes[2], width);
  auto slice = weights;
  slice.data = static_cast<char*>(weights.data) + begin * size_bytes(weights.dtype);
  slice.sizes[3] = width;
  for (std::int64_t m = 0; m < result.rows; ++m) load_row(slice, 0, 0, m, result.row(m));
  return result;
}

/// out = input * weights, without rounding. `out` has weights.columns elements. Summed in order; four inputs
/// a pass, so that `out` is read and written a quarter as often.
template <typename Real>
void project(const Real* input, const Matrix<Real>& weights, Real* out) {
  const auto columns = weights.columns;
  for (std::int64_t c = 0; c < columns; ++c) out[c] = 0;
  std::int64_t m = 0;
  for (; m + 4 <= weights.rows; m += 4) {
    const Real* const in = input + m;
    const Real* const w0 = weights.row(m);
    const Real* const w1 = w0 + columns;
    const Real* const w2 = w1 + columns;
    const Real* const w3 = w2 + columns;
    for (std::int64_t c = 0; c < columns; ++c) {
      out[c] = out[c] + in[0] * w0[c] + in[1] * w1[c] + in[2] * w2[c] + in[3] * w3[c];
    }
  }
  for (; m < weights.rows; ++m) add_scaled(out, input[m], weights.row(m), columns);
}

/// q, k and v of one kv head of one batch entry, from the tensors themselves or from x and the projections.
template <typename Arithmetic>
class Head {
 public:
  using Real = typename Arithmetic::Real;
  Head(const Problem& problem, const Tensors& tensors, std::int64_t batch, std::int64_t kv_head)
      : keys_(keys_in_use(problem, tensors, batch)),
        problem_(problem),
        t_(tensors),
        batch_(batch),
        kv_head_(kv_head) {
    if (problem_.scope == Scope::core) return;
    const auto& s = problem_.shape;
    wk_ = load_columns<Real>(t_[Role::wk], kv_head * s.head_dim_qk, s.head_dim_qk);
    wv_ = load_columns<Real>(t_[Role::wv], kv_head * s.head_dim_v, s.head_dim_v);
    const auto group = s.num_q_heads / problem_.mechanism.num_kv_heads;
    first_q_head_ = kv_head * group;
    for (auto h = first_q_head_; h < first_q_head_ + group; ++h)
      wq_.push_back(load_columns<Real>(t_[Role::wq], h * s.head_dim_qk, s.head_dim_qk));
  }

  std::int64_t keys() const { return keys_; }

  /// Row `key` of K and of V.
  void load_key(std::int64_t key, Real* k, Real* v) const {
    if (problem_.scope == Scope::core) {
      load_row(t_[Role::k], batch_, kv_head_, key, k);
      load_row(t_[Role::v], batch_, kv_head_, key, v);
      return;
    }
    std::vector<Real> x(static_cast<std::size_t>(problem_.shape.d_model));
    load_row(t_[Role::x], batch_, 0, key, x.data());
    project_rounded(x.data(), wk_, problem_.shape.dtype_kv, k);
    project_rounded(x.data(), wv_, problem_.shape.dtype_kv, v);
  }

  /// A row of q of one of the query heads that share the kv head.
  void load_query(std::int64_t q_head, std::int64_t query, Real* q) const {
    if (problem_.scope == Scope::core) return load_row(t_[Role::q], batch_, q_head, query, q);
    std::vector<Real> x(static_cast<std::size_t>(problem_.shape.d_model));
    load_row(t_[Role::x], batch_, 0, query, x.data());
    project_rounded(x.data(), wq_[static_cast<std::size_t>(q_head - first_q_head_)], problem_.shape.dtype_q,
                    q);
  }

 private:
  void project_rounded(const Real* input, const Matrix<Real>& weights, DType dtype, Real* out) const {
    project(input, weights, out);
    for (std::int64_t c = 0; c < weights.columns; ++c) out[c] = Arithmetic::round(dtype, out[c]);
  }

  std::int64_t keys_;
  const Problem& problem_;
  const Tensors& t_;
  std::int64_t batch_, kv_head_;
  Matrix<Real> wk_, wv_;
  std::vector<Matrix<Real>> wq_;  ///< of the query heads that share the kv head
  std::int64_t first_q_head_ = 0;
};

}  // namespace attnbench::reference
