/// Causal linear attention as published: the prefix sums of phi(k) v^T are materialised, a head_dim_qk x
/// head_dim_v matrix for every query position, then each query is a product with its own matrix. Sums are
/// f32; phi is rounded to the element type. Outer product and running sum are one pass: the sums are written
/// once and read once.
#include "core/parallel.h"
#include "core/register_kernel.h"
#include "engines/cpu/unfused/common.h"

namespace attnbench::cpu {
namespace {

class CumsumExecution final : public PlannedExecution {
 public:
  CumsumExecution(const Problem& problem, const CpuDevice& device)
      : s_(problem.shape),
        kv_heads_(problem.mechanism.num_kv_heads),
        eps_(static_cast<float>(problem.mechanism.eps)),
        threads_(device.threads),
        feature_(workspace_, threads_, s_.head_dim_qk * size_bytes(s_.dtype_q)),
        numerator_(workspace_, threads_, s_.head_dim_v * size_bytes(DType::f32)),
        normalisers_(workspace_, threads_, states() * s_.head_dim_qk * size_bytes(DType::f32)),
        states_(workspace_, threads_, states() * s_.head_dim_qk * s_.head_dim_v * size_bytes(DType::f32)) {}

  void call(const Tensors& t) override {
    parallel_for(threads_, s_.batch * s_.num_q_heads, [&](std::int64_t begin, std::int64_t end, int thread) {
      for (auto item = begin; item < end; ++item)
        attend(t, item / s_.num_q_heads, item % s_.num_q_heads, thread);
    });
  }

 private:
  /// Query positions that exist as keys; each has its prefix sum.
  std::int64_t states() const { return std::min(s_.seqlen_q, s_.seqlen_kv); }

  void attend(const Tensors& t, std::int64_t batch, std::int64_t head, int thread) {
    const auto keys = t[Role::k].sizes[2];
    const auto kv_head = head / (s_.num_q_heads / kv_heads_);
    const auto unseen = std::max<std::int64_t>(s_.seqlen_q - keys, 0);
    const auto first_position = keys - (s_.seqlen_q - unseen);
    const auto state_size = s_.head_dim_qk * s_.head_dim_v;
    auto* feature = feature_.at<char>(workspace_, thread);
    auto* z = normalisers_.at<float>(workspace_, thread);
    auto* states = states_.at<float>(workspace_, thread);

    fill(z, 0, s_.head_dim_qk, 0);
    fill(states, 0, state_size, 0);
    for (std::int64_t j = 0; j < keys; ++j) {
      const auto to = std::max<std::int64_t>(j - first_position, 0);
      const auto from = std::max<std::int64_t>(j - first_position - 1, 0);
      phi(row_of(t[Role::k], batch, kv_head, j), feature, s_.head_dim_qk, s_.dtype_kv);
      multiply_add(1, feature, z + from * s_.head_dim_qk, z + to * s_.head_dim_qk, s_.head_dim_qk,
                   s_.dtype_kv);
      add_outer_product(feature, row_of(t[Role::v], batch, kv_head, j), states + from * state_size,
                        states + to * state_size, s_.head_dim_qk, s_.head_dim_v, s_.dtype_kv);
    }

    auto* numerator = numerator_.at<float>(workspace_, thread);
    for (std::int64_t i = 0; i < s_.seqlen_q; ++i) {
      auto* o = row_of(t[Role::o], batch, head, i);
      if (i < unseen) {
        fill(numerator, 0, s_.head_dim_v, 0);
        divide(numerator, 1, o, s_.head_dim_v, s_.dtype_o);
        continue;
      }
      const auto state = i - unseen;
      phi(row_of(t[Role::q], batch, head, i), feature, s_.head_dim_qk, s_.dtype_q);
      row_times_matrix(feature, states + state * state_size, numerator, s_.head_dim_qk, s_.head_dim_v,
                       s_.dtype_q);
      const auto divisor = dot(feature, z + state * s_.head_dim_qk, s_.head_dim_qk, s_.dtype_q) + eps_;
      divide(numerator, divisor, o, s_.head_dim_v, s_.dtype_o);
    }
  }

  Shape s_;
  std::int64_t kv_heads_;
  float eps_;
  int threads_;
  ThreadParts feature_, numerator_, normalisers_, states_;
};

class Cumsum final : public UnfusedKernel<CumsumExecution> {
 public:
  std::string_view kernel() const override { return "cumsum"; }
  std::vector<MechanismKind> mechanisms() const override { return {MechanismKind::causal_linear}; }

 protected:
  double core_flops(const Problem& problem) const override {
    const auto& s = problem.shape;
    const auto rows = s.batch * s.num_q_heads * (s.seqlen_kv + std::min(s.seqlen_q, s.seqlen_kv));
    return 2.0 * static_cast<double>(rows) * static_cast<double>(s.head_dim_qk * s.head_dim_v);
  }
};

}  // namespace
}  // namespace attnbench::cpu

ATTNBENCH_REGISTER_KERNEL(cpu_cumsum) {
  static const attnbench::cpu::Cumsum kernel;
  return kernel;
}
