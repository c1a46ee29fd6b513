// A kernel in one file, loaded with --plugin: copy it, rename it, put your loops into call().
// docs/adding-a-kernel.md explains each step. It computes mha, gqa and mqa by their definition, in f32, on
// one thread: correct, and slow on purpose.
#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "attnbench/plugin.h"

namespace {

using namespace attnbench;

/// Keys that query `query` may see, from the first on: all, or with a causal mask those up to its position.
/// The last query stands at the last key; a query before the first key sees none, with or without a mask.
std::int64_t visible_keys(const Mechanism& mechanism, std::int64_t query, std::int64_t seqlen_q,
                          std::int64_t seqlen_kv) {
  const auto position = query + seqlen_kv - seqlen_q;
  if (position < 0) return 0;
  return mechanism.causal_bottom_right ? position + 1 : seqlen_kv;
}

float dot(const float* a, const float* b, std::int64_t size) {
  float sum = 0;
  for (std::int64_t d = 0; d < size; ++d) sum += a[d] * b[d];
  return sum;
}

class SkeletonExecution final : public HostExecution {
 public:
  explicit SkeletonExecution(const Problem& problem)
      : problem_(problem), weights_(static_cast<std::size_t>(problem.shape.seqlen_kv)) {}

  void call(const Tensors& tensors) override {
    const auto& shape = problem_.shape;
    const auto group = shape.num_q_heads / problem_.mechanism.num_kv_heads;
    for (std::int64_t b = 0; b < shape.batch; ++b) {
      for (std::int64_t h = 0; h < shape.num_q_heads; ++h) {
        for (std::int64_t i = 0; i < shape.seqlen_q; ++i) attend(tensors, b, h, h / group, i);
      }
    }
  }

  std::int64_t workspace_bytes() const override {
    return static_cast<std::int64_t>(weights_.size() * sizeof(float));
  }

 private:
  void attend(const Tensors& tensors, std::int64_t b, std::int64_t h, std::int64_t kv_head, std::int64_t i) {
    const auto& shape = problem_.shape;
    const auto seqlen_kv =
        tensors[Role::k].sizes[2];  // a decode call may bring fewer keys than were prepared for
    const auto keys = visible_keys(problem_.mechanism, i, shape.seqlen_q, seqlen_kv);
    const auto scale = static_cast<float>(shape.softmax_scale);
    const auto* q = tensors[Role::q].row<float>(b, h, i);
    auto* o = tensors[Role::o].row<float>(b, h, i);

    // Without the maximum taken out, a score above 88 overflows exp.
    float maximum = -std::numeric_limits<float>::infinity();
    for (std::int64_t j = 0; j < keys; ++j) {
      auto& score = weights_[static_cast<std::size_t>(j)];
      score = scale * dot(q, tensors[Role::k].row<float>(b, kv_head, j), shape.head_dim_qk);
      maximum = std::max(maximum, score);
    }
    float sum = 0;
    std::fill_n(o, shape.head_dim_v, 0.0f);
    for (std::int64_t j = 0; j < keys; ++j) {
      const float weight = std::exp(weights_[static_cast<std::size_t>(j)] - maximum);
      const auto* v = tensors[Role::v].row<float>(b, kv_head, j);
      for (std::int64_t d = 0; d < shape.head_dim_v; ++d) o[d] += weight * v[d];
      sum += weight;
    }
    // A row that sees no key keeps its zeros; its log-sum-exp is -inf.
    if (keys > 0) {
      for (std::int64_t d = 0; d < shape.head_dim_v; ++d) o[d] /= sum;
    }
    if (tensors[Role::lse]) *tensors[Role::lse].row<float>(b, h, i) = maximum + std::log(sum);
  }

  Problem problem_;
  std::vector<float> weights_;
};

class Skeleton final : public HostKernel {
 public:
  std::string_view kernel() const override { return "skeleton"; }
  std::string_view engine() const override { return "example"; }
  std::vector<MechanismKind> mechanisms() const override {
    return {MechanismKind::mha, MechanismKind::gqa, MechanismKind::mqa};
  }

  Support supports_on_cpu(const Problem& problem, const CpuDevice&) const override {
    const auto& shape = problem.shape;
    if (problem.scope != Scope::core) return Support::no("core scope only");
    if (shape.dtype_q != DType::f32 || shape.dtype_kv != DType::f32 || shape.dtype_o != DType::f32) {
      return Support::no("f32 only");
    }
    if (!shape.seqlens_kv.empty()) return Support::no("one length for the whole batch only (seqlens_kv)");
    return Support::yes();
  }

  std::unique_ptr<HostExecution> prepare_on_cpu(const Problem& problem, const CpuDevice&) const override {
    return std::make_unique<SkeletonExecution>(problem);
  }

  double executed_flops(const Problem& problem) const override {
    const auto& shape = problem.shape;
    std::int64_t pairs = 0;
    for (std::int64_t i = 0; i < shape.seqlen_q; ++i) {
      pairs += visible_keys(problem.mechanism, i, shape.seqlen_q, shape.seqlen_kv);
    }
    return 2.0 * static_cast<double>(shape.head_dim_qk + shape.head_dim_v) * static_cast<double>(pairs) *
           static_cast<double>(shape.batch * shape.num_q_heads);
  }

  std::int64_t workspace_on_cpu(const Problem& problem, const CpuDevice&) const override {
    return problem.shape.seqlen_kv * static_cast<std::int64_t>(sizeof(float));
  }
};

}  // namespace

int attnbench_plugin_abi() { return kPluginAbi; }

const KernelInfo* const* attnbench_plugin_kernels() {
  static const Skeleton skeleton;
  static const KernelInfo* const kernels[] = {&skeleton, nullptr};
  return kernels;
}
