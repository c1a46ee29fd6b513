/// The kernels of engine `mlx`: what each computes and costs. Their code is in module/.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "attnbench/cpu_device.h"
#include "core/affinity.h"
#include "core/layer.h"
#include "core/register_kernel.h"
#include "engines/mlx/load.h"

namespace attnbench::mlx {
namespace {

constexpr std::string_view kGpu = "mlx:gpu";
/// MLX's GPU where it is an NVIDIA one, by the name that other engines give it: cells of all of them.
constexpr std::string_view kCudaGpu = "cuda:0";

double products(double pairs, const Shape& s) {
  return 2 * pairs * static_cast<double>(s.head_dim_qk + s.head_dim_v);
}

/// Places of a query's window (module/forms.cc takes as many).
std::int64_t window_places(const Problem& p) {
  const auto& m = p.mechanism;
  const auto reach = std::min(m.window, p.shape.seqlen_kv);
  return std::min(m.causal_bottom_right ? reach : reach / 2 * 2 + 1, p.shape.seqlen_kv);
}

/// Of all queries and heads.
double rows_of(const Problem& p) {
  const auto& s = p.shape;
  return static_cast<double>(s.batch * s.num_q_heads) *
         static_cast<double>(std::min(s.seqlen_q, s.seqlen_kv));
}

/// (query, key) pairs whose scores a form computes.
double computed_pairs(Form form, const Problem& p) {
  const auto& s = p.shape;
  switch (form) {
    case Form::unfused:
    case Form::masked:
    case Form::sdpa:
      return rows_of(p) * static_cast<double>(s.seqlen_kv);
    case Form::gather:
    case Form::gather_view:
      return rows_of(p) * static_cast<double>(window_places(p));
    case Form::batched: {
      const auto size = std::min(p.mechanism.block_size, s.seqlen_kv);
      const auto globals = std::min(p.mechanism.globals, s.seqlen_kv);
      const auto first = std::max<std::int64_t>(s.seqlen_kv - s.seqlen_q, 0);
      const auto dense = std::max<std::int64_t>(globals - first, 0);
      const auto blocks = (s.seqlen_kv + size - 1) / size - first / size;
      const auto heads = static_cast<double>(s.batch * s.num_q_heads);
      return heads * (static_cast<double>(blocks * size) * static_cast<double>(size + globals) +
                      static_cast<double>(dense * s.seqlen_kv));
    }
    case Form::gather_published:
      return rows_of(p) * static_cast<double>(p.mechanism.window / 2 * 2 + 1);
    case Form::batched_published: {
      const auto size = p.mechanism.block_size;
      const auto rows = static_cast<double>((s.seqlen_kv + size - 1) / size * size);
      const auto globals = static_cast<double>(std::min(p.mechanism.globals, s.seqlen_kv));
      return static_cast<double>(s.batch * s.num_q_heads) * rows * (static_cast<double>(size) + globals);
    }
    case Form::two_gemm:
    case Form::cumsum:
      return 0;
  }
  return 0;
}

double core_flops(Form form, const Problem& p) {
  const auto& s = p.shape;
  if (form != Form::two_gemm && form != Form::cumsum) return products(computed_pairs(form, p), s);
  const auto keys = static_cast<double>(s.batch * p.mechanism.num_kv_heads * s.seqlen_kv);
  return 2 * (rows_of(p) + keys) * static_cast<double>(s.head_dim_qk * s.head_dim_v);
}

/// f32 elements of a form's largest intermediate results: scores, weights and, of one form, copies or sums.
double intermediate_elements(Form form, const Problem& p) {
  const auto& s = p.shape;
  const auto kv_rows = static_cast<double>(s.batch * p.mechanism.num_kv_heads);
  const auto dims = static_cast<double>(s.head_dim_qk + s.head_dim_v);
  double elements = 3 * computed_pairs(form, p);
  if (form == Form::gather || form == Form::gather_published)
    elements += 2 * kv_rows * static_cast<double>(std::min(s.seqlen_q, s.seqlen_kv)) *
                static_cast<double>(window_places(p)) * dims;
  if (form == Form::cumsum)
    elements +=
        2 * kv_rows * static_cast<double>(s.seqlen_kv) * static_cast<double>(s.head_dim_qk * s.head_dim_v);
  return elements;
}

/// Who calls MLX for a GPU waits for threads of MLX's and the driver's. Where the program has bound its own
/// thread to a CPU, they must not be born there.
void start_gpu() {
  static const bool started = [] {
    const OnStartCpus all;
    load().backend->gpu_start();
    return true;
  }();
  static_cast<void>(started);
}

class MlxKernel : public KernelInfo {
 public:
  MlxKernel(std::string_view name, Form form, std::vector<MechanismKind> kinds)
      : name_(name), form_(form), kinds_(std::move(kinds)) {}

  std::string_view kernel() const override { return name_; }
  std::string_view engine() const override { return "mlx"; }
  std::vector<MechanismKind> mechanisms() const override { return kinds_; }

  Support supports(const Problem& problem, const Device& device) const override {
    const auto& s = problem.shape;
    if (s.dtype_kv != s.dtype_q || s.dtype_o != s.dtype_q)
      return Support::no("needs one element type for q, k, v and o");
    if (!s.seqlens_kv.empty()) return Support::no("one length for the whole batch only (seqlens_kv)");
    if (problem.scope == Scope::layer && problem.phase != Phase::prefill)
      return Support::no("layer scope covers prefill only");
    const auto* cpu = dynamic_cast<const CpuDevice*>(&device);
    if (cpu == nullptr && device.name() != kGpu && device.name() != kCudaGpu)
      return Support::no(
          fmt::format("computes on devices cpu, {} and {}, not on {}", kGpu, kCudaGpu, device.name()));
    if (!load().problem.empty()) return Support::no(load().problem);
    if (device.name() == kCudaGpu && !load().backend->gpu_is_cuda())
      return Support::no("this MLX was built without CUDA");
    if (cpu != nullptr) {
      const auto reason = load().backend->cpu_problem();
      if (!reason.empty()) return Support::no(reason);
    }
    return supports_here(problem, cpu);
  }
  std::unique_ptr<Execution> prepare(const Problem& problem, const Device& device) const override {
    const auto* cpu = dynamic_cast<const CpuDevice*>(&device);
    const auto place = cpu == nullptr ? Place{true} : Place{false, cpu->cpus, cpu->threads};
    if (place.gpu) start_gpu();
    return load().backend->prepare(form_, problem, place);
  }
  double executed_flops(const Problem& problem) const override {
    const double core = core_flops(problem);
    return problem.scope == Scope::core ? core : core + projection_flops(problem);
  }
  /// MLX allocates as it evaluates; this is what the largest results take.
  std::int64_t workspace_bytes(const Problem& problem, const Device&) const override {
    double elements = intermediate_elements(form_, problem);
    for (const auto& spec : roles_of(problem))
      elements += 2 * static_cast<double>(spec.bytes() / size_bytes(spec.dtype));
    return static_cast<std::int64_t>(elements) * size_bytes(DType::f32);
  }

 protected:
  virtual Support supports_here(const Problem&, const CpuDevice*) const { return Support::yes(); }
  virtual double core_flops(const Problem& problem) const { return mlx::core_flops(form_, problem); }

 private:
  std::string_view name_;
  Form form_;
  std::vector<MechanismKind> kinds_;
};

const std::vector<MechanismKind> kDense = {MechanismKind::mha, MechanismKind::gqa, MechanismKind::mqa};
const std::vector<MechanismKind> kFast = {MechanismKind::mha, MechanismKind::gqa, MechanismKind::mqa,
                                          MechanismKind::swa};

/// mlx.fast.scaled_dot_product_attention on the CPU: MLX has no fused kernel there. Its own unfused
/// operations differ from Form::unfused in two ways: Q is multiplied by the scale before the product, and in
/// bf16 and f16 the scores are rounded to the element type. Where that fails verification it is not offered.
/// It keeps no scores out of memory, so that its name is not that of a fused kernel.
class FastOnCpu final : public MlxKernel {
 public:
  FastOnCpu() : MlxKernel("sdpa_fallback", Form::sdpa, kFast) {}
  std::string implementation() const override { return "fallback: unfused operations"; }

 protected:
  Support supports_here(const Problem& problem, const CpuDevice* cpu) const override {
    if (cpu == nullptr) return Support::no("computes on device cpu; on mlx:gpu sdpa@mlx does");
    if (problem.shape.dtype_q != DType::f32)
      return Support::no(
          "on the CPU mlx.fast rounds scores to bf16 and f16: wrong by more than is allowed at scores of "
          "100");
    int exponent = 0;
    if (std::abs(std::frexp(problem.shape.softmax_scale, &exponent)) != 0.5)
      return Support::no(
          "on the CPU mlx.fast multiplies Q by the scale first, exact only for a power of two: large scores "
          "lose their order");
    return Support::yes();
  }
};

/// The same where MLX has a fused kernel.
class FastFused final : public MlxKernel {
 public:
  FastFused() : MlxKernel("sdpa", Form::sdpa, kFast) {}
  std::string implementation() const override { return "ScaledDotProductAttention"; }

 protected:
  Support supports_here(const Problem& problem, const CpuDevice* cpu) const override {
    if (cpu != nullptr) return Support::no("MLX has no fused attention on the CPU");
    start_gpu();
    if (!load().backend->gpu_fuses(problem))
      return Support::no("mlx.fast computes this shape by unfused operations");
    return Support::yes();
  }
  /// A window is an array as a mask, under which all pairs are computed. Under a causal mask MLX does not
  /// tell its tiles: these are the pairs that no tiling can leave out.
  double core_flops(const Problem& problem) const override {
    if (problem.mechanism.kind == MechanismKind::swa) return MlxKernel::core_flops(problem);
    return work(problem.scope == Scope::core ? problem : core_problem(problem)).useful_flops;
  }
};

/// A variant as the publication executed it, which computes another function. What is known of it covers no
/// causal mask and no decoding.
class Published final : public MlxKernel {
 public:
  Published(std::string_view name, Form form, MechanismKind kind, std::string_view function)
      : MlxKernel(name, form, {kind}), function_(function) {}
  bool computes_lse() const override { return false; }
  std::string other_function(const Problem&) const override { return std::string(function_); }

 protected:
  Support supports_here(const Problem& problem, const CpuDevice*) const override {
    const auto& m = problem.mechanism;
    if (m.causal_bottom_right) return Support::no("what was published has no causal form");
    if (problem.phase != Phase::prefill) return Support::no("what was published covers prefill only");
    if (m.kind == MechanismKind::swa && m.window > problem.shape.seqlen_kv)
      return Support::no("needs a window of no more than seqlen_kv keys");
    if (m.kind == MechanismKind::block_sparse && m.block_size > problem.shape.seqlen_kv)
      return Support::no("needs a block of no more than seqlen_kv keys");
    if (m.kind == MechanismKind::block_sparse && m.globals < 1)
      return Support::no("averages with the attention to global keys: needs one");
    return Support::yes();
  }

 private:
  std::string_view function_;
};

/// MLX's GPU, by Metal or CUDA.
class MlxGpu final : public Device {
 public:
  std::string name() const override { return std::string(kGpu); }
  std::map<std::string, std::string> identity() const override { return load().backend->gpu_identity(); }
  std::unique_ptr<Queue> make_queue() const override { return std::make_unique<EvaluatedQueue>(); }
  std::int64_t free_bytes() const override { return load().backend->gpu_free_bytes(); }
  void evict() override {
    start_gpu();
    load().backend->gpu_evict();
  }
  Ceilings ceilings() const override { return {}; }

 private:
  /// Each call is evaluated when it returns.
  class EvaluatedQueue final : public Queue {
   public:
    void wait() override {}
  };
};

class MlxDevices final : public DeviceProvider {
 public:
  std::vector<std::string> names() const override {
    if (load().backend == nullptr || !load().backend->has_gpu()) return {};
    return {std::string(kGpu)};
  }
  std::unique_ptr<Device> open(std::string_view) const override { return std::make_unique<MlxGpu>(); }
};

}  // namespace
}  // namespace attnbench::mlx

using attnbench::MechanismKind;
using attnbench::mlx::Form;
using attnbench::mlx::MlxKernel;

ATTNBENCH_REGISTER_KERNEL(mlx_unfused) {
  static const MlxKernel kernel("unfused", Form::unfused, attnbench::mlx::kDense);
  return kernel;
}

ATTNBENCH_REGISTER_KERNEL(mlx_masked) {
  static const MlxKernel kernel("masked", Form::masked, {MechanismKind::swa});
  return kernel;
}

ATTNBENCH_REGISTER_KERNEL(mlx_gather) {
  static const MlxKernel kernel("gather", Form::gather, {MechanismKind::swa});
  return kernel;
}

ATTNBENCH_REGISTER_KERNEL(mlx_gather_view) {
  static const MlxKernel kernel("gather_view", Form::gather_view, {MechanismKind::swa});
  return kernel;
}

ATTNBENCH_REGISTER_KERNEL(mlx_batched) {
  static const MlxKernel kernel("batched", Form::batched, {MechanismKind::block_sparse});
  return kernel;
}

ATTNBENCH_REGISTER_KERNEL(mlx_gather_published) {
  static const attnbench::mlx::Published kernel(
      "gather_published", Form::gather_published, MechanismKind::swa,
      "past the ends of the sequence the softmax counts keys of -1e9 in each element, with values of 0");
  return kernel;
}

ATTNBENCH_REGISTER_KERNEL(mlx_batched_published) {
  static const attnbench::mlx::Published kernel(
      "batched_published", Form::batched_published, MechanismKind::block_sparse,
      "the mean of two softmaxes, over a query's own block and over the global keys");
  return kernel;
}

ATTNBENCH_REGISTER_KERNEL(mlx_two_gemm) {
  static const MlxKernel kernel("two_gemm", Form::two_gemm, {MechanismKind::linear});
  return kernel;
}

ATTNBENCH_REGISTER_KERNEL(mlx_cumsum) {
  static const MlxKernel kernel("cumsum", Form::cumsum, {MechanismKind::causal_linear});
  return kernel;
}

ATTNBENCH_REGISTER_KERNEL(mlx_sdpa_fallback) {
  static const attnbench::mlx::FastOnCpu kernel;
  return kernel;
}

ATTNBENCH_REGISTER_KERNEL(mlx_sdpa) {
  static const attnbench::mlx::FastFused kernel;
  return kernel;
}

ATTNBENCH_REGISTER_DEVICES(mlx_devices) {
  static const attnbench::mlx::MlxDevices devices;
  return devices;
}

ATTNBENCH_REGISTER_LIBRARIES(mlx_libraries) { return attnbench::mlx::libraries(); }
