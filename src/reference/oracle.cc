#include "reference/oracle.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "reference/mask.h"
#include "reference/on_all_cpus.h"
#include "reference/operands.h"

namespace attnbench::reference {
namespace {

/// q k_j of the keys seen. Four keys at a time: each product is still summed in order, but none waits for the
/// others' additions.
template <typename Arithmetic>
std::vector<typename Arithmetic::Real> scores(const typename Arithmetic::Real* q,
                                              const Matrix<typename Arithmetic::Real>& k,
                                              const std::vector<std::int64_t>& seen) {
  using Real = typename Arithmetic::Real;
  constexpr bool kForwards = Arithmetic::kOrder == Order::forwards;
  std::vector<Real> result(seen.size());
  for (std::size_t n = 0; n < seen.size(); n += 4) {
    const auto count = std::min<std::size_t>(4, seen.size() - n);
    const Real* keys[4];
    for (std::size_t key = 0; key < 4; ++key) keys[key] = k.row(seen[n + std::min(key, count - 1)]);
    Real sums[4] = {};
    for (std::int64_t c = 0; c < k.columns; ++c) {
      const auto at = kForwards ? c : k.columns - 1 - c;
      for (int key = 0; key < 4; ++key) sums[key] += q[at] * keys[key][at];
    }
    std::copy_n(sums, count, result.begin() + static_cast<std::ptrdiff_t>(n));
  }
  return result;
}

/// softmax(scale q K^T + mask) V of one row; returns its log-sum-exp.
template <typename Arithmetic>
double softmax_row(const Problem& problem, const Matrix<typename Arithmetic::Real>& k,
                   const Matrix<typename Arithmetic::Real>& v, std::int64_t position,
                   const typename Arithmetic::Real* q, typename Arithmetic::Real* o) {
  using Real = typename Arithmetic::Real;
  const auto scale = static_cast<Real>(problem.shape.softmax_scale);
  std::vector<std::int64_t> seen;
  for (std::int64_t j = 0; j < k.rows; ++j) {
    if (may_see(problem.mechanism, position, j)) seen.push_back(j);
  }
  if (seen.empty()) return -std::numeric_limits<double>::infinity();
  if (Arithmetic::kOrder == Order::backwards) std::reverse(seen.begin(), seen.end());
  auto weights = scores<Arithmetic>(q, k, seen);
  for (auto& weight : weights) weight *= scale;
  const Real maximum = *std::max_element(weights.begin(), weights.end());
  Real sum = 0;
  for (auto& weight : weights) {
    weight = std::exp(weight - maximum);
    sum += weight;
  }
  for (std::size_t n = 0; n < seen.size(); ++n) {
    const Real p = Arithmetic::round(problem.shape.dtype_kv, weights[n] / sum);
    add_scaled(o, p, v.row(seen[n]), v.columns);
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
  LinearSums(const Problem& problem, const Head<Arithmetic>& head)
      : dtype_(problem.shape.dtype_kv),
        head_(head),
        s_(problem.shape.head_dim_qk, problem.shape.head_dim_v),
        z_(1, problem.shape.head_dim_qk) {}

  /// Keys added so far become [0, end).
  void advance(std::int64_t end) {
    Matrix<Real> phi(1, s_.rows), v(1, s_.columns);
    for (; added_ < end; ++added_) {
      head_.load_key(added_, phi.row(0), v.row(0));
      apply_phi<Arithmetic>(dtype_, phi.row(0), phi.columns);
      for (std::int64_t d = 0; d < phi.columns; ++d) {
        const Real weight = phi.row(0)[d];
        z_.row(0)[d] += weight;
        add_scaled(s_.row(d), weight, v.row(0), s_.columns);
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
  const Head<Arithmetic>& head_;
  Matrix<Real> s_, z_;
  std::int64_t added_ = 0;
};

/// Rows that need the same K and V, by their places in the list.
struct RowsOfHead {
  std::int64_t batch, kv_head;
  std::vector<std::size_t> places;
};

/// All rows, each head's in ascending order of queries, so that causal sums only grow.
std::vector<RowsOfHead> by_head(const Problem& problem, std::span<const Row> rows) {
  std::map<std::pair<std::int64_t, std::int64_t>, std::vector<std::size_t>> places;
  for (std::size_t n = 0; n < rows.size(); ++n)
    places[{rows[n].batch, kv_head_of(problem, rows[n].head)}].push_back(n);
  std::vector<RowsOfHead> heads;
  for (auto& [head, its] : places) {
    std::stable_sort(its.begin(), its.end(), [&](auto a, auto b) { return rows[a].query < rows[b].query; });
    heads.push_back({head.first, head.second, std::move(its)});
  }
  return heads;
}

/// Attention rows (batch, head, query) before any output projection, each written to its place.
template <typename Arithmetic>
class Attention {
 public:
  using Real = typename Arithmetic::Real;
  Attention(const Problem& problem, const Tensors& tensors, std::span<const Row> rows)
      : problem_(problem), tensors_(tensors), rows_(rows) {
    results_[Role::o].resize(rows.size() * static_cast<std::size_t>(problem.shape.head_dim_v));
    if (problem.mechanism.is_softmax()) results_[Role::lse].resize(rows.size());
  }

  RowResults compute() {
    const auto heads = by_head(problem_, rows_);
    if (problem_.mechanism.is_softmax()) {
      Matrix<Real> k, v;  // of one head after another: fresh pages take longer than what is written to them
      for (const auto& head : heads) softmax(head, k, v);
    } else {
      on_all_cpus(std::ssize(heads), large() ? 1 : kAll, [&](auto begin, auto end) {
        for (auto n = begin; n < end; ++n) linear(heads[static_cast<std::size_t>(n)]);
      });
    }
    return std::move(results_);
  }

 private:
  static constexpr std::int64_t kAll = std::numeric_limits<std::int64_t>::max() / 2;  ///< in one piece

  /// Whether starting threads takes less time than they save.
  bool large() const {
    const auto& s = problem_.shape;
    return s.seqlen_kv * (s.head_dim_qk + s.head_dim_v) * std::max<std::int64_t>(1, s.d_model) >= 1 << 18;
  }

  void softmax(const RowsOfHead& of_head, Matrix<Real>& k, Matrix<Real>& v) {
    const Head<Arithmetic> head(problem_, tensors_, of_head.batch, of_head.kv_head);
    k.resize(head.keys(), problem_.shape.head_dim_qk);
    v.resize(head.keys(), problem_.shape.head_dim_v);
    on_all_cpus(head.keys(), large() ? 256 : kAll, [&](auto begin, auto end) {
      for (auto j = begin; j < end; ++j) head.load_key(j, k.row(j), v.row(j));
    });
    on_all_cpus(std::ssize(of_head.places), large() ? 1 : kAll, [&](auto begin, auto end) {
      std::vector<Real> q(static_cast<std::size_t>(problem_.shape.head_dim_qk));
      for (auto n = begin; n < end; ++n) {
        const auto place = of_head.places[static_cast<std::size_t>(n)];
        const auto& row = rows_[place];
        head.load_query(row.head, row.query, q.data());
        std::vector<Real> o(static_cast<std::size_t>(problem_.shape.head_dim_v));
        results_[Role::lse][place] =
            softmax_row<Arithmetic>(problem_, k, v, position(head, row), q.data(), o.data());
        store(place, o);
      }
    });
  }

  void linear(const RowsOfHead& of_head) {
    const Head<Arithmetic> head(problem_, tensors_, of_head.batch, of_head.kv_head);
    LinearSums<Arithmetic> sums(problem_, head);
    const bool causal = problem_.mechanism.kind == MechanismKind::causal_linear;
    std::vector<Real> q(static_cast<std::size_t>(problem_.shape.head_dim_qk));
    for (const auto place : of_head.places) {
      const auto& row = rows_[place];
      std::vector<Real> o(static_cast<std::size_t>(problem_.shape.head_dim_v));
      if (const auto last = position(head, row); last >= 0) {
        sums.advance(causal ? last + 1 : head.keys());
        head.load_query(row.head, row.query, q.data());
        apply_phi<Arithmetic>(problem_.shape.dtype_q, q.data(), problem_.shape.head_dim_qk);
        sums.read(q.data(), static_cast<Real>(problem_.mechanism.eps), o.data());
      }
      store(place, o);
    }
  }

  std::int64_t position(const Head<Arithmetic>& head, const Row& row) const {
    return row.query + head.keys() - problem_.shape.seqlen_q;
  }

  void store(std::size_t place, const std::vector<Real>& o) {
    auto* out = results_[Role::o].data() + place * o.size();
    for (std::size_t c = 0; c < o.size(); ++c)
      out[c] = static_cast<double>(Arithmetic::round(problem_.shape.dtype_o, o[c]));
  }

  const Problem& problem_;
  const Tensors& tensors_;
  std::span<const Row> rows_;
  RowResults results_;
};

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
  const auto attended = Attention<Arithmetic>(problem, tensors, head_rows).compute();
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
  return problem.scope == Scope::core ? Attention<Arithmetic>(problem, tensors, rows).compute()
                                      : layer<Arithmetic>(problem, tensors, rows);
}

}  // namespace

RowResults oracle(const Problem& problem, const Tensors& inputs, std::span<const Row> rows) {
  return compute<Float64>(problem, inputs, rows);
}

RowResults plain_form(const Problem& problem, const Tensors& inputs, std::span<const Row> rows) {
  return compute<Plain<Order::forwards>>(problem, inputs, rows);
}

std::vector<RowResults> plain_forms(const Problem& problem, const Tensors& inputs,
                                    std::span<const Row> rows) {
  constexpr std::size_t kManyRows = 64;
  std::vector<RowResults> forms;
  forms.push_back(plain_form(problem, inputs, rows));
  if (rows.size() < kManyRows && problem.mechanism.is_softmax())
    forms.push_back(compute<Plain<Order::backwards>>(problem, inputs, rows));
  return forms;
}

}  // namespace attnbench::reference
