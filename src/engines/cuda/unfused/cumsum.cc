/// Causal linear attention as published: the prefix sums of phi(k) v^T are materialised, a head_dim_qk x
/// head_dim_v matrix for every query position, then each query is a product with its own matrix. Sums are
/// f32; phi is rounded to the element type.
#include "core/register_kernel.h"
#include "engines/cuda/unfused/common.h"

namespace attnbench::cuda {
namespace {

class CumsumExecution final : public CudaExecution {
 public:
  CumsumExecution(const Problem& problem, const Device& device)
      : CudaExecution(problem, device), matmul_(workspace_) {
    const auto& s = problem.shape;
    const auto kv_items = s.batch * problem.mechanism.num_kv_heads;
    const auto items = s.batch * s.num_q_heads;
    const auto states = std::min(s.seqlen_q, s.seqlen_kv);
    phi_k_ = workspace_.reserve(kv_items * s.seqlen_kv * s.head_dim_qk * size_bytes(s.dtype_kv));
    phi_q_ = workspace_.reserve(items * states * s.head_dim_qk * 4);
    states_ = workspace_.reserve(kv_items * states * s.head_dim_qk * s.head_dim_v * 4);
    normalisers_ = workspace_.reserve(kv_items * states * s.head_dim_qk * 4);
    numerators_ = workspace_.reserve(items * states * s.head_dim_v * 4);
  }

 protected:
  void enqueue(const Tensors& t, cudaStream_t stream) override {
    const auto& s = problem_.shape;
    const auto keys = t[Role::k].sizes[2];
    const auto kv_heads = problem_.mechanism.num_kv_heads;
    const auto group = s.num_q_heads / kv_heads;
    const auto unseen = std::max<std::int64_t>(s.seqlen_q - keys, 0);
    const auto states = s.seqlen_q - unseen;
    RowMap map;
    map.rows = static_cast<std::int32_t>(keys);
    map.batch = static_cast<std::int32_t>(s.batch);
    map.heads = static_cast<std::int32_t>(kv_heads);
    check(launch_copy_rows(strided(t[Role::k]), map, workspace_.at<void>(phi_k_), true, s.dtype_kv, stream),
          "copy_rows (phi of keys)");
    // The queries of a group at one position share a state: they are the rows of one product.
    auto q = t[Role::q];
    q.data = q.row_bytes(0, 0, unseen);
    q.sizes[2] = states;
    map.rows = static_cast<std::int32_t>(states * group);
    map.interleaved = static_cast<std::int32_t>(group);
    check(launch_copy_rows(strided(q), map, workspace_.at<void>(phi_q_), true, DType::f32, stream),
          "copy_rows (phi of queries)");
    check(launch_prefix_sums(workspace_.at<void>(phi_k_), s.dtype_kv, strided(t[Role::v]), s.batch,
                             static_cast<std::int32_t>(s.head_dim_qk), keys - states,
                             workspace_.at<float>(states_), workspace_.at<float>(normalisers_), stream),
          "prefix_sums");
    Product numerators{group, s.head_dim_v, s.head_dim_qk, s.batch * kv_heads * states};
    numerators.a = dense_rows(s.head_dim_qk, group);
    numerators.b = dense_rows(s.head_dim_v, s.head_dim_qk);
    numerators.c = dense_rows(s.head_dim_v, group);
    matmul_.run(numerators, workspace_.at<void>(phi_q_), workspace_.at<void>(states_),
                workspace_.at<void>(numerators_), stream);
    FinishRows finish;
    finish.numerators = workspace_.at<float>(numerators_);
    finish.rows = states;
    finish.offset = -unseen;
    finish.batch = static_cast<std::int32_t>(s.batch);
    finish.interleaved = static_cast<std::int32_t>(group);
    finish.features = workspace_.at<void>(phi_q_);
    finish.feature_width = static_cast<std::int32_t>(s.head_dim_qk);
    finish.normalisers = workspace_.at<float>(normalisers_);
    finish.group = static_cast<std::int32_t>(group);
    finish.by_row = true;
    finish.eps = static_cast<float>(problem_.mechanism.eps);
    finish.o = strided(t[Role::o]);
    check(launch_finish_rows(finish, stream), "finish_rows");
  }

 private:
  Matmul matmul_;
  std::int64_t phi_k_ = 0, phi_q_ = 0, states_ = 0, normalisers_ = 0, numerators_ = 0;
};

class Cumsum final : public UnfusedKernel<CumsumExecution> {
 public:
  std::string_view kernel() const override { return "cumsum"; }
  std::vector<MechanismKind> mechanisms() const override { return {MechanismKind::causal_linear}; }
  double core_flops(const Problem& problem) const override {
    const auto& s = problem.shape;
    const auto rows = s.batch * s.num_q_heads * (s.seqlen_kv + std::min(s.seqlen_q, s.seqlen_kv));
    return 2.0 * static_cast<double>(rows) * static_cast<double>(s.head_dim_qk * s.head_dim_v);
  }
};

}  // namespace
}  // namespace attnbench::cuda

ATTNBENCH_REGISTER_KERNEL(cuda_cumsum) {
  static const attnbench::cuda::Cumsum kernel;
  return kernel;
}
