#include "registry/c_plugin.h"

#include <dlfcn.h>
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "attnbench/error.h"
#include "attnbench/host_kernel.h"
#include "attnbench/plugin_c.h"
#include "registry/add_kernels.h"

namespace attnbench {
namespace {

static_assert(static_cast<int>(DType::f32) == ATTNBENCH_F32 &&
              static_cast<int>(DType::bf16) == ATTNBENCH_BF16 &&
              static_cast<int>(DType::f16) == ATTNBENCH_F16);
static_assert(static_cast<int>(Layout::bhsd) == ATTNBENCH_BHSD &&
              static_cast<int>(Layout::bshd) == ATTNBENCH_BSHD);
static_assert(static_cast<int>(Scope::core) == ATTNBENCH_CORE &&
              static_cast<int>(Scope::layer) == ATTNBENCH_LAYER);
static_assert(static_cast<int>(Phase::prefill) == ATTNBENCH_PREFILL &&
              static_cast<int>(Phase::decode) == ATTNBENCH_DECODE);

/// Points into `problem`.
attnbench_problem in_c(const Problem& problem, int threads) {
  const auto& s = problem.shape;
  const auto& m = problem.mechanism;
  attnbench_problem out{};
  out.mechanism = name(m.kind).data();  // names are literals
  out.num_kv_heads = m.num_kv_heads;
  out.window = m.window;
  out.block_size = m.block_size;
  out.globals = m.globals;
  out.causal = m.is_causal() ? 1 : 0;
  out.scope = static_cast<std::int32_t>(problem.scope);
  out.phase = static_cast<std::int32_t>(problem.phase);
  out.layout = static_cast<std::int32_t>(s.layout);
  out.dtype_q = static_cast<std::int32_t>(s.dtype_q);
  out.dtype_kv = static_cast<std::int32_t>(s.dtype_kv);
  out.dtype_o = static_cast<std::int32_t>(s.dtype_o);
  out.threads = threads;
  out.batch = s.batch;
  out.num_q_heads = s.num_q_heads;
  out.seqlen_q = s.seqlen_q;
  out.seqlen_kv = s.seqlen_kv;
  out.head_dim_qk = s.head_dim_qk;
  out.head_dim_v = s.head_dim_v;
  out.d_model = s.d_model;
  out.seqlens_kv = s.seqlens_kv.empty() ? nullptr : s.seqlens_kv.data();
  out.softmax_scale = s.softmax_scale;
  out.eps = m.eps;
  return out;
}

attnbench_tensor in_c(const TensorView& view) {
  attnbench_tensor out{};
  out.data = view.data;
  std::copy(view.sizes.begin(), view.sizes.end(), out.sizes);
  std::copy(view.strides.begin(), view.strides.end(), out.strides);
  return out;
}

attnbench_tensors in_c(const Tensors& t) {
  return {in_c(t[Role::q]),  in_c(t[Role::k]),  in_c(t[Role::v]),  in_c(t[Role::x]), in_c(t[Role::wq]),
          in_c(t[Role::wk]), in_c(t[Role::wv]), in_c(t[Role::wo]), in_c(t[Role::o]), in_c(t[Role::lse])};
}

class CExecution final : public HostExecution {
 public:
  CExecution(const attnbench_kernel& kernel, const Problem& problem, int threads) : kernel_(kernel) {
    const auto c_problem = in_c(problem, threads);
    workspace_bytes_ = kernel.workspace_bytes(&c_problem);
    prepared_ = kernel.prepare(&c_problem);
    if (prepared_ == nullptr) throw std::runtime_error("its prepare() failed");
  }
  ~CExecution() override { kernel_.release(prepared_); }
  CExecution(const CExecution&) = delete;
  CExecution& operator=(const CExecution&) = delete;

  void call(const Tensors& tensors) override {
    const auto c_tensors = in_c(tensors);
    if (const auto failed = kernel_.call(prepared_, &c_tensors); failed != 0)
      throw std::runtime_error(fmt::format("its call() returned {}", failed));
  }
  std::int64_t workspace_bytes() const override { return workspace_bytes_; }

 private:
  const attnbench_kernel& kernel_;
  std::int64_t workspace_bytes_ = 0;
  void* prepared_ = nullptr;
};

class CKernel final : public HostKernel {
 public:
  CKernel(const attnbench_kernel& kernel, std::vector<MechanismKind> mechanisms)
      : c_(kernel), mechanisms_(std::move(mechanisms)) {}

  std::string_view kernel() const override { return c_.kernel; }
  std::string_view engine() const override { return c_.engine; }
  std::string_view path() const override { return c_.path; }
  std::vector<MechanismKind> mechanisms() const override { return mechanisms_; }
  bool computes_lse() const override { return c_.computes_lse != 0; }

  Support supports_on_cpu(const Problem& problem, const CpuDevice& device) const override {
    const auto c_problem = in_c(problem, device.threads);
    const auto* reason = c_.supports(&c_problem);
    return reason == nullptr ? Support::yes() : Support::no(reason);
  }
  std::unique_ptr<HostExecution> prepare_on_cpu(const Problem& problem,
                                                const CpuDevice& device) const override {
    return std::make_unique<CExecution>(c_, problem, device.threads);
  }
  std::int64_t workspace_on_cpu(const Problem& problem, const CpuDevice& device) const override {
    const auto c_problem = in_c(problem, device.threads);
    return c_.workspace_bytes(&c_problem);
  }
  double executed_flops(const Problem& problem) const override {
    const auto c_problem = in_c(problem, 1);
    return c_.executed_flops(&c_problem);
  }

 private:
  const attnbench_kernel& c_;
  std::vector<MechanismKind> mechanisms_;
};

/// Throws InputError where a part is missing or no name.
std::unique_ptr<CKernel> checked_kernel(const attnbench_kernel& c, const std::string& file) {
  const bool whole = c.kernel != nullptr && c.engine != nullptr && c.path != nullptr &&
                     c.mechanisms != nullptr && c.supports != nullptr && c.executed_flops != nullptr &&
                     c.workspace_bytes != nullptr && c.prepare != nullptr && c.call != nullptr &&
                     c.release != nullptr;
  if (!whole) throw InputError("plugin", file, "has a kernel that lacks a part of attnbench_kernel");
  std::vector<MechanismKind> mechanisms;
  for (const auto* const* text = c.mechanisms; *text != nullptr; ++text) {
    const auto& all = all_mechanism_kinds();
    const auto kind = std::find_if(all.begin(), all.end(),
                                   [&](MechanismKind candidate) { return name(candidate) == *text; });
    if (kind == all.end())
      throw InputError("plugin", file, fmt::format("has a kernel of '{}', which is no mechanism", *text));
    mechanisms.push_back(*kind);
  }
  if (mechanisms.empty()) throw InputError("plugin", file, "has a kernel of no mechanism");
  return std::make_unique<CKernel>(c, std::move(mechanisms));
}

}  // namespace

bool load_c_plugin(void* library, const std::string& file) {
  const auto version =
      reinterpret_cast<decltype(&attnbench_c_plugin_version)>(dlsym(library, "attnbench_c_plugin_version"));
  if (version == nullptr) return false;
  if (version() != ATTNBENCH_C_PLUGIN_VERSION) {
    throw InputError("plugin", file,
                     fmt::format("is of version {} of attnbench/plugin_c.h, this program of {}", version(),
                                 ATTNBENCH_C_PLUGIN_VERSION));
  }
  const auto list =
      reinterpret_cast<decltype(&attnbench_c_plugin_kernels)>(dlsym(library, "attnbench_c_plugin_kernels"));
  if (list == nullptr) throw InputError("plugin", file, "defines no attnbench_c_plugin_kernels");
  // Registered kernels live as long as the program.
  static std::vector<std::unique_ptr<CKernel>> loaded;
  std::vector<std::unique_ptr<CKernel>> kernels;
  std::vector<const KernelInfo*> more;
  const auto* const* all = list();
  if (all == nullptr || *all == nullptr) throw InputError("plugin", file, "lists no kernels");
  for (auto kernel = all; *kernel != nullptr; ++kernel) {
    kernels.push_back(checked_kernel(**kernel, file));
    more.push_back(kernels.back().get());
  }
  add_kernels(more, file);
  std::move(kernels.begin(), kernels.end(), std::back_inserter(loaded));
  return true;
}

}  // namespace attnbench
