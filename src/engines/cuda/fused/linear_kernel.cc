/// linear (`fused`) and causal_linear (`chunked`) with phi and normalisation inside, in three launches.
#include <fmt/format.h>

#include <algorithm>

#include "core/register_kernel.h"
#include "engines/cuda/cuda_error.h"
#include "engines/cuda/cuda_kernel.h"
#include "engines/cuda/execution.h"
#include "engines/cuda/fused/linear.h"
#include "engines/cuda/fused/linear_chunk.h"
#include "engines/cuda/fused/linear_wide.h"
#include "engines/cuda/fused/tensor_map.h"

namespace attnbench::cuda {
namespace {

/// The form: linear.h has head_dim 64, linear_wide.h 128.
bool is_wide(const Problem& problem) { return problem.shape.head_dim_qk == 128; }

class LinearExecution final : public CudaExecution {
 public:
  LinearExecution(const Problem& problem, const Device& device)
      : CudaExecution(problem, device), wide_(is_wide(problem)) {
    const auto& s = problem.shape;
    const auto kv_items = s.batch * problem.mechanism.num_kv_heads;
    const auto blocks = device_.multiprocessors() * (wide_ ? 1 : 2);
    chunk_ = linear_chunk(s.seqlen_kv, wide_ ? kWideTokens : kTokens, kv_items, blocks);
    const auto chunks = chunks_of(s.seqlen_kv);
    states_ = workspace_.reserve(kv_items * (chunks + 1) * s.head_dim_qk * (s.head_dim_v + 1) * 4);
  }

 protected:
  void enqueue(const Tensors& t, cudaStream_t stream) override {
    const auto& m = problem_.mechanism;
    LinearCall call;
    call.q = strided(t[Role::q]);
    call.k = strided(t[Role::k]);
    call.v = strided(t[Role::v]);
    call.o = strided(t[Role::o]);
    call.batch = static_cast<std::int32_t>(problem_.shape.batch);
    call.kv_heads = static_cast<std::int32_t>(m.num_kv_heads);
    call.group = static_cast<std::int32_t>(problem_.shape.num_q_heads / m.num_kv_heads);
    call.chunk = static_cast<std::int32_t>(chunk_);
    call.chunks = static_cast<std::int32_t>(chunks_of(t[Role::k].sizes[2]));
    call.causal = m.kind == MechanismKind::causal_linear;
    call.eps = static_cast<float>(m.eps);
    call.states = workspace_.at<float>(states_);
    if (!wide_) {
      check(launch_linear(call, stream), "fused linear");
      return;
    }
    const auto map = [&](const Strided& view) { return keys_map(view, call.batch, kWideTokens); };
    check(launch_linear_wide(call, {map(call.q), map(call.k), map(call.v)}, stream), "fused linear");
  }

 private:
  std::int64_t chunks_of(std::int64_t keys) const { return (keys + chunk_ - 1) / chunk_; }

  bool wide_;
  std::int64_t chunk_ = 0, states_ = 0;
};

template <bool kCausal>
class Linear final : public CudaKernel<LinearExecution> {
 public:
  std::string_view kernel() const override { return kCausal ? "chunked" : "fused"; }
  std::vector<MechanismKind> mechanisms() const override {
    return {kCausal ? MechanismKind::causal_linear : MechanismKind::linear};
  }
  Support core_supports(const Problem& problem, const Device& device) const override {
    if (auto support = basic_support(problem, device); !support) return support;
    const auto& s = problem.shape;
    if (s.dtype_q != DType::bf16) return Support::no("bf16 only");
    if (!s.seqlens_kv.empty()) return Support::no("one length for the whole batch only (seqlens_kv)");
    if (s.head_dim_qk != s.head_dim_v || (s.head_dim_qk != 64 && s.head_dim_qk != 128)) {
      return Support::no(
          fmt::format("head_dim {} and {}: 64 or 128 for both only", s.head_dim_qk, s.head_dim_v));
    }
    return Support::yes();
  }
  /// The sums of the keys twice where causal: for the chunks after them, and within theirs.
  double core_flops(const Problem& problem) const override {
    const auto& s = problem.shape;
    const bool wide = is_wide(problem);
    const std::int64_t rows = wide ? kWideTokens : kTokens;
    const auto tiles = [&](std::int64_t tokens) { return (tokens + rows - 1) / rows; };
    const auto d = static_cast<double>(s.head_dim_qk);
    const auto state = 2.0 * static_cast<double>(rows) * d * d;
    const auto batch = static_cast<double>(s.batch);
    const auto kv = batch * static_cast<double>(problem.mechanism.num_kv_heads * tiles(s.seqlen_kv));
    const auto q = batch * static_cast<double>(s.num_q_heads * tiles(std::min(s.seqlen_q, s.seqlen_kv)));
    const auto within = (wide ? 3 : 1) * 4.0 * 64 * 64 * d;  // blocks of 64 x 64 on and under the diagonal
    return kv * state + q * (kCausal ? 2 * state + within : state);
  }
};

}  // namespace
}  // namespace attnbench::cuda

ATTNBENCH_REGISTER_KERNEL(cuda_fused_linear) {
  static const attnbench::cuda::Linear<false> kernel;
  return kernel;
}
ATTNBENCH_REGISTER_KERNEL(cuda_chunked) {
  static const attnbench::cuda::Linear<true> kernel;
  return kernel;
}
