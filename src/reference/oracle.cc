#include "reference/oracle.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <tuple>

#include "reference/mask.h"
#include "reference/operands.h"

namespace attnbench::reference {
namespace {

/// K and V of one kv head of one batch entry.
template <typename Real>
struct Head {
  std::int64_t keys = 0;
  Matrix<Real> k, v;
};

/// q k_j of the keys seen. Four keys at a time: each product is still summed in order, but none waits for the
/// others' additions.
template <typename Real>
std::vector<Real> scores(const Real* q, const Matrix<Real>& k, const std::vector<std::int64_t>& seen) {
  std::vector<Real> result(seen.size());
  std::size_t n = 0;
  for (; n + 4 <= seen.size(); n += 4) {
    const Real* const keys[4] = {k.row(seen[n]), k.row(seen[n + 1]), k.row(seen[n + 2]), k.row(seen[n + 3])};
    Real sums[4] = {};
    for (std::int64_t c = 0; c < k.columns; ++c) {
      for (int key = 0; key < 4; ++key) sums[key] += q[c] * keys[key][c];
    }
    for (std::size_t key = 0; key < 4; ++key) result[n + key] = sums[key];
  }
  for (; n < seen.size(); ++n) result[n] = dot(q, k.row(seen[n]), k.columns);
  return result;
}

/// softmax(scale q K^T + mask) V of one row; returns its log-sum-exp.
template <typename Arithmetic>
double softmax_row(const Problem& problem, const Head<typename Arithmetic::Real>& head, std::int64_t position,
                   const typename Arithmetic::Real* q, typename Arithmetic::Real* o) {
  using Real = typename Arithmetic::Real;
  const auto scale = static_cast<Real>(problem.shape.softmax_scale);
  std::vector<std::int64_t> seen;
  for (std::int64_t j = 0; j < head.keys; ++j) {
    if (may_see(problem.mechanism, position, j)) seen.push_back(j);
  }
  if (seen.empty()) return -std::numeric_limits<double>::infinity();
  auto weights = scores<Real>(q, head.k, seen);
  for (auto& weight : weights) weight *= scale;
  const Real maximum = *std::max_element(weights.begin(), weights.end());
  Real sum = 0;
  for (auto& weight : weights) {
    weight = std::exp(weight - maximum);
    sum += weight;
  }
  for (std::size_t n = 0; n < seen.size(); ++n) {
    const Real p = Arithmetic::round(problem.shape.dtype_kv, weights[n] / sum);
    add_scaled(o, p, head.v.row(seen[n]), head.v.columns);
  }
  return static_cast<double>(maximum + std::log(sum));
}

/// phi(x) = elu(x) + 1, in place.
template <typename Arithmetic>
void apply_phi(DType dtype, typename Arithmetic::Real* x, std::int64_t count) {
  for (std::int64_t c = 0; c < count; ++c) {
    x[c] = Arithmetic::round(dtype, x[c] > 0 ? x[c] + 1 : std::exp(x[c]));
  }
}

/// S = sum phi(k) v^T and z = sum phi(k), over the keys added so far.
template <typename Arithmetic>
class LinearSums {
 public:
  using Real = typename Arithmetic::Real;
  LinearSums(const Problem& problem, const Head<Real>& head)
      : dtype_(problem.shape.dtype_kv),
        head_(head),
        s_(head.k.columns, head.v.columns),
        z_(1, head.k.columns) {}

  /// Keys added so far become [0, end).
  void advance(std::int64_t end) {
    Matrix<Real> phi(1, head_.k.columns);
    for (; added_ < end; ++added_) {
      std::copy_n(head_.k.row(added_), head_.k.columns, phi.row(0));
      apply_phi<Arithmetic>(dtype_, phi.row(0), phi.columns);
      for (std::int64_t d = 0; d < phi.columns; ++d) {
        const Real weight = phi.row(0)[d];
        z_.row(0)[d] += weight;
        add_scaled(s_.row(d), weight, head_.v.row(added_), s_.columns);
      }
    }
  }

  /// o = phi_q^T S / (phi_q^T z + eps).
  void read(const Real* phi_q, Real eps, Real* o) const {
    const Real denominator = dot(phi_q, z_.row(0), z_.columns) + eps;
    project(phi_q, s_, o);
    for (std::int64_t c = 0; c < s_.columns; ++c) o[c] /= denominator;
  }

 private:
  DType dtype_;
  const Head<Real>& head_;
  Matrix<Real> s_, z_;
  std::int64_t added_ = 0;
};

/// The order in which K and V of a head are loaded once, and causal sums only grow.
std::vector<std::size_t> computing_order(const Problem& problem, std::span<const Row> rows) {
  std::vector<std::size_t> order(rows.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const bool by_query = problem.mechanism.kind == MechanismKind::causal_linear;
  const auto key = [&](std::size_t n) {
    const auto& r = rows[n];
    return std::make_tuple(r.batch, kv_head_of(problem, r.head), by_query ? r.query : 0, r.head, r.query);
  };
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return key(a) < key(b); });
  return order;
}

/// Attention rows (batch, head, query) before any output projection.
template <typename Arithmetic>
RowResults attend(const Problem& problem, const Tensors& tensors, std::span<const Row> rows) {
  using Real = typename Arithmetic::Real;
  const auto& s = problem.shape;
  RowResults results;
  results[Role::o].resize(rows.size() * static_cast<std::size_t>(s.head_dim_v));
  if (problem.mechanism.is_softmax()) results[Role::lse].resize(rows.size());
  Operands<Arithmetic> operands(problem, tensors);
  Head<Real> head;
  std::vector<LinearSums<Arithmetic>> sums;
  std::vector<Real> q(static_cast<std::size_t>(s.head_dim_qk));
  std::vector<Real> o(static_cast<std::size_t>(s.head_dim_v));
  Row previous{-1, -1, -1};
  for (const auto n : computing_order(problem, rows)) {
    const auto& row = rows[n];
    const auto kv_head = kv_head_of(problem, row.head);
    if (row.batch != previous.batch || kv_head != previous.head) {
      head.keys = keys_in_use(problem, tensors, row.batch);
      operands.load_head(row.batch, kv_head, head.keys, head.k, head.v);
      sums.clear();
      if (!problem.mechanism.is_softmax()) sums.emplace_back(problem, head);
      previous = {row.batch, kv_head, 0};
    }
    const auto position = row.query + head.keys - s.seqlen_q;
    std::fill(o.begin(), o.end(), Real{0});
    operands.load_query(row.batch, row.head, row.query, q.data());
    if (problem.mechanism.is_softmax()) {
      results[Role::lse][n] = softmax_row<Arithmetic>(problem, head, position, q.data(), o.data());
    } else if (position >= 0) {
      const bool causal = problem.mechanism.kind == MechanismKind::causal_linear;
      sums.front().advance(causal ? position + 1 : head.keys);
      apply_phi<Arithmetic>(s.dtype_q, q.data(), s.head_dim_qk);
      sums.front().read(q.data(), static_cast<Real>(problem.mechanism.eps), o.data());
    }
    auto* out = results[Role::o].data() + n * o.size();
    for (std::size_t c = 0; c < o.size(); ++c) {
      out[c] = static_cast<double>(Arithmetic::round(s.dtype_o, o[c]));
    }
  }
  return results;
}

/// Layer rows: all heads of each row, side by side, times wo.
template <typename Arithmetic>
RowResults layer(const Problem& problem, const Tensors& tensors, std::span<const Row> rows) {
  using Real = typename Arithmetic::Real;
  const auto heads = problem.shape.num_q_heads;
  const auto d_model = problem.shape.d_model;
  std::vector<Row> head_rows;
  for (const auto& row : rows) {
    for (std::int64_t h = 0; h < heads; ++h) head_rows.push_back({row.batch, h, row.query});
  }
  const auto attended = attend<Arithmetic>(problem, tensors, head_rows);
  const std::vector<Real> merged(attended[Role::o].begin(), attended[Role::o].end());
  const auto wo = load_columns<Real>(tensors[Role::wo], 0, d_model);
  RowResults results;
  std::vector<Real> out(static_cast<std::size_t>(d_model));
  for (std::size_t n = 0; n < rows.size(); ++n) {
    project(merged.data() + static_cast<std::int64_t>(n) * wo.rows, wo, out.data());
    for (const auto value : out) {
      results[Role::o].push_back(static_cast<double>(Arithmetic::round(problem.shape.dtype_o, value)));
    }
  }
  return results;
}

template <typename Arithmetic>
RowResults compute(const Problem& problem, const Tensors& tensors, std::span<const Row> rows) {
  return problem.scope == Scope::core ? attend<Arithmetic>(problem, tensors, rows)
                                      : layer<Arithmetic>(problem, tensors, rows);
}

}  // namespace

RowResults oracle(const Problem& problem, const Tensors& inputs, std::span<const Row> rows) {
  return compute<Float64>(problem, inputs, rows);
}

RowResults plain_form(const Problem& problem, const Tensors& inputs, std::span<const Row> rows) {
  return compute<Plain>(problem, inputs, rows);
}

}  // namespace attnbench::reference
