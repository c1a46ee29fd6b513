/// Linear attention as two products. Per kv head: phi(K), its column sums z, S = phi(K)^T V. Per query head:
/// phi(Q), the numerators phi(Q) S, then the division by phi(Q) z + eps. phi and S are rounded to the element
/// type, sums are f32.
#include "core/register_kernel.h"
#include "engines/cuda/unfused/common.h"

namespace attnbench::cuda {
namespace {

class TwoGemmExecution final : public CudaExecution {
 public:
  TwoGemmExecution(const Problem& problem, const Device& device)
      : CudaExecution(problem, device), matmul_(workspace_) {
    const auto& s = problem.shape;
    const auto kv_items = s.batch * problem.mechanism.num_kv_heads;
    const auto items = s.batch * s.num_q_heads;
    phi_k_ = workspace_.reserve(kv_items * s.seqlen_kv * s.head_dim_qk * size_bytes(s.dtype_kv));
    phi_q_ = workspace_.reserve(items * s.seqlen_q * s.head_dim_qk * size_bytes(s.dtype_q));
    states_ = workspace_.reserve(kv_items * s.head_dim_qk * s.head_dim_v * size_bytes(s.dtype_kv));
    normalisers_ = workspace_.reserve(kv_items * s.head_dim_qk * 4);
    numerators_ = workspace_.reserve(items * s.seqlen_q * s.head_dim_v * 4);
    ones_ = workspace_.reserve(s.seqlen_kv * size_bytes(s.dtype_kv));
  }

  void allocate() override {
    CudaExecution::allocate();
    check(launch_ones(workspace_.at<void>(ones_), problem_.shape.dtype_kv, problem_.shape.seqlen_kv, nullptr),
          "fill_ones");
    check(cudaDeviceSynchronize(), "fill_ones");
  }

 protected:
  void enqueue(const Tensors& t, cudaStream_t stream) override {
    const auto& s = problem_.shape;
    const auto keys = t[Role::k].sizes[2];
    const auto kv_heads = problem_.mechanism.num_kv_heads;
    const auto group = s.num_q_heads / kv_heads;
    auto* normalisers = workspace_.at<float>(normalisers_);
    features(t[Role::k], phi_k_, stream);
    Product sums{1, s.head_dim_qk, keys, s.batch * kv_heads};
    sums.in = s.dtype_kv;
    sums.a = {keys, 0, false};
    sums.b = dense_rows(s.head_dim_qk, keys);
    sums.c = {s.head_dim_qk, s.head_dim_qk, false};
    matmul_.run(sums, workspace_.at<void>(ones_), workspace_.at<void>(phi_k_), normalisers, stream);
    Product state{s.head_dim_qk, s.head_dim_v, keys, kv_heads};
    state.in = state.out = s.dtype_kv;
    state.a = dense_rows(s.head_dim_qk, keys, true);
    state.b = rows_of(t[Role::v]);
    state.c = dense_rows(s.head_dim_v, s.head_dim_qk);
    for (std::int64_t b = 0; b < s.batch; ++b) {
      matmul_.run(state, elements(phi_k_, b * kv_heads * keys * s.head_dim_qk), t[Role::v].row_bytes(b, 0, 0),
                  elements(states_, b * kv_heads * s.head_dim_qk * s.head_dim_v), stream);
    }
    // The query heads of a group follow each other: their rows are one matrix.
    features(t[Role::q], phi_q_, stream);
    Product numerators{group * s.seqlen_q, s.head_dim_v, s.head_dim_qk, s.batch * kv_heads};
    numerators.in = s.dtype_q;
    numerators.a = dense_rows(s.head_dim_qk, group * s.seqlen_q);
    numerators.b = dense_rows(s.head_dim_v, s.head_dim_qk);
    numerators.c = dense_rows(s.head_dim_v, group * s.seqlen_q);
    matmul_.run(numerators, workspace_.at<void>(phi_q_), workspace_.at<void>(states_),
                workspace_.at<void>(numerators_), stream);
    FinishRows finish;
    finish.numerators = workspace_.at<float>(numerators_);
    finish.rows = s.seqlen_q;
    finish.batch = static_cast<std::int32_t>(s.batch);
    finish.features = workspace_.at<void>(phi_q_);
    finish.feature_dtype = s.dtype_q;
    finish.feature_width = static_cast<std::int32_t>(s.head_dim_qk);
    finish.normalisers = normalisers;
    finish.group = static_cast<std::int32_t>(group);
    finish.eps = static_cast<float>(problem_.mechanism.eps);
    finish.first_seeing = s.seqlen_q - keys;
    finish.o = strided(t[Role::o]);
    check(launch_finish_rows(finish, stream), "finish_rows");
  }

 private:
  void features(const TensorView& from, std::int64_t part, cudaStream_t stream) const {
    RowMap map;
    map.rows = static_cast<std::int32_t>(from.sizes[2]);
    map.batch = static_cast<std::int32_t>(from.sizes[0]);
    map.heads = static_cast<std::int32_t>(from.sizes[1]);
    check(launch_copy_rows(strided(from), map, workspace_.at<void>(part), true, from.dtype, stream),
          "copy_rows (phi)");
  }
  std::byte* elements(std::int64_t part, std::int64_t count) const {
    return workspace_.at<std::byte>(part) + count * size_bytes(problem_.shape.dtype_kv);
  }

  Matmul matmul_;
  std::int64_t phi_k_ = 0, phi_q_ = 0, states_ = 0, normalisers_ = 0, numerators_ = 0, ones_ = 0;
};

class TwoGemm final : public UnfusedKernel<TwoGemmExecution> {
 public:
  std::string_view kernel() const override { return "two_gemm"; }
  std::vector<MechanismKind> mechanisms() const override { return {MechanismKind::linear}; }
  double core_flops(const Problem& problem) const override {
    const auto& s = problem.shape;
    const auto rows = s.num_q_heads * s.seqlen_q + problem.mechanism.num_kv_heads * s.seqlen_kv;
    return 2.0 * static_cast<double>(s.batch * rows) * static_cast<double>(s.head_dim_qk * s.head_dim_v);
  }
};

}  // namespace
}  // namespace attnbench::cuda

ATTNBENCH_REGISTER_KERNEL(cuda_two_gemm) {
  static const attnbench::cuda::TwoGemm kernel;
  return kernel;
}
