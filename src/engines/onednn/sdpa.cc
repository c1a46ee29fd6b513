/// `sdpa`: attention fused by oneDNN's Graph API.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <limits>
#include <map>
#include <mutex>
#include <stdexcept>
#include <utility>

#include "attnbench/cpu_device.h"
#include "core/register_kernel.h"
#include "engines/onednn/attention_graph.h"

namespace attnbench::onednn {
namespace {

/// Each thread computes whole heads, one after the other, with their scores in memory of its own.
constexpr const char* kFused = "sdp_decomp_kernel_t";

/// Dense tensors of the problem that have no memory.
Tensors without_memory(const Problem& problem) {
  Tensors tensors;
  for (const auto& spec : roles_of(problem)) tensors[spec.role] = dense_view(nullptr, spec);
  return tensors;
}

/// 0 where a query sees a key, elsewhere -infinity; (queries, keys). Empty where all see all.
std::vector<float> make_mask(const Problem& problem, std::int64_t keys) {
  if (!needs_mask(problem, keys)) return {};
  const auto queries = std::min(problem.shape.seqlen_q, keys);
  std::vector<float> mask(static_cast<std::size_t>(queries * keys), -std::numeric_limits<float>::infinity());
  for (std::int64_t row = 0; row < queries; ++row) {
    const auto allowed = allowed_keys(problem.mechanism, keys - queries + row, keys);
    std::fill_n(mask.begin() + row * keys + allowed.local.begin, allowed.local.size(), 0.0F);
  }
  return mask;
}

/// A compiled graph and the tensors of the host, as they are.
class GraphBinding final : public Binding {
 public:
  GraphBinding(const Problem& problem, const Tensors& host, int threads)
      : host_(host),
        unseen_(std::max<std::int64_t>(problem.shape.seqlen_q - host[Role::k].sizes[2], 0)),
        mask_(make_mask(problem, host[Role::k].sizes[2])),
        scale_(static_cast<float>(problem.shape.softmax_scale)),
        graph_(compile(problem, host, threads)) {
    const auto add = [&](std::size_t n, void* data) {
      tensors_.emplace_back(graph_.inputs[n], engine(), data);
    };
    add(0, host[Role::q].row_bytes(0, 0, unseen_));
    add(1, host[Role::k].data);
    add(2, &scale_);
    if (!mask_.empty()) add(3, mask_.data());
    add(graph_.inputs.size() - 1, host[Role::v].data);
    for (const auto& tensor : tensors_) inputs_.push_back(tensor.get());
    output_ = dnnl::graph::tensor(graph_.output, engine(), host[Role::o].row_bytes(0, 0, unseen_));
  }

  void write(Role) override {}
  void read(Role) override {}
  void poison(Role role) override { fill_nan(host_[role]); }

  void call(dnnl::stream& stream) {
    zero_unseen();
    const_dnnl_graph_tensor_t output = output_.get();
    dnnl::error::wrap_c_api(dnnl_graph_compiled_partition_execute(graph_.compiled.get(), stream.get(),
                                                                  inputs_.size(), inputs_.data(), 1, &output),
                            "the compiled attention could not be executed");
    stream.wait();
  }
  const std::string& kernel() const { return graph_.kernel; }

 private:
  /// Queries before all keys.
  void zero_unseen() const {
    const auto& o = host_[Role::o];
    const auto bytes = static_cast<std::size_t>(o.sizes[3] * size_bytes(o.dtype));
    for (std::int64_t row = 0; row < unseen_; ++row) {
      for (std::int64_t b = 0; b < o.sizes[0]; ++b) {
        for (std::int64_t h = 0; h < o.sizes[1]; ++h) std::memset(o.row_bytes(b, h, row), 0, bytes);
      }
    }
  }

  Tensors host_;
  std::int64_t unseen_;
  std::vector<float> mask_;
  float scale_;
  AttentionGraph graph_;
  std::vector<dnnl::graph::tensor> tensors_;
  std::vector<const_dnnl_graph_tensor_t> inputs_;
  dnnl::graph::tensor output_;
};

class GraphExecution final : public Execution {
 public:
  GraphExecution(const Problem& problem, int threads) : problem_(problem), threads_(threads) {
    compile(problem, without_memory(problem), threads);  // which oneDNN keeps for the bindings
  }

  std::unique_ptr<Binding> bind(const Tensors& host) override {
    return std::make_unique<GraphBinding>(problem_, host, threads_);
  }
  Timing time(std::span<Binding* const> bindings, std::int64_t runs, Queue&) override {
    set_threads(threads_);
    std::size_t next = 0;
    const auto start = std::chrono::steady_clock::now();
    for (std::int64_t run = 0; run < runs; ++run) {
      static_cast<GraphBinding*>(bindings[next])->call(stream_);
      if (++next == bindings.size()) next = 0;
    }
    const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    kernel_ = static_cast<GraphBinding*>(bindings.front())->kernel();
    return {seconds, runs};
  }
  /// oneDNN allocates what it needs in each call.
  std::int64_t workspace_bytes() const override { return 0; }
  Implementation implementation() const override { return {kernel_, "oneDNN's log of the compilation"}; }

 private:
  Problem problem_;
  int threads_;
  dnnl::stream stream_{engine()};
  std::string kernel_;
};

/// Why oneDNN does not compute the problem by its fused kernel; empty where it does. Asked of oneDNN once.
std::string why_not_fused(const Problem& problem, int threads) {
  static std::mutex mutex;
  static std::vector<std::pair<std::pair<Problem, int>, std::string>> answers;
  const std::lock_guard lock(mutex);
  const std::pair key(problem, threads);
  for (const auto& [asked, answer] : answers) {
    if (asked == key) return answer;
  }
  std::string answer;
  try {
    const auto kernel = compile(problem, without_memory(problem), threads).kernel;
    if (kernel != kFused)
      answer = fmt::format(
          "oneDNN does not fuse this: it takes {}, one primitive after the other "
          "(it fuses where batch x heads > 2 x threads, without groups of heads)",
          kernel.empty() ? "a kernel that its log does not name" : kernel);
  } catch (const std::exception& error) {
    answer = fmt::format("oneDNN cannot compile it here: {}", error.what());
  }
  answers.emplace_back(key, answer);
  return answer;
}

class Sdpa final : public KernelInfo {
 public:
  std::string_view kernel() const override { return "sdpa"; }
  std::string_view engine() const override { return "onednn"; }
  std::vector<MechanismKind> mechanisms() const override {
    return {MechanismKind::mha, MechanismKind::gqa, MechanismKind::mqa, MechanismKind::swa};
  }
  bool computes_lse() const override { return false; }
  std::string implementation() const override { return kFused; }

  Support supports(const Problem& problem, const Device& device) const override {
    const auto& s = problem.shape;
    if (dynamic_cast<const CpuDevice*>(&device) == nullptr)
      return Support::no(fmt::format("computes on device cpu, not on {}", device.name()));
    if (problem.scope != Scope::core) return Support::no("core scope only");
    if (s.dtype_q != DType::f32 || s.dtype_kv != DType::f32 || s.dtype_o != DType::f32)
      return Support::no(
          "f32 only: oneDNN rounds scores to bf16 and f16, wrong by more than is allowed at scores of 100");
    if (s.head_dim_v != s.head_dim_qk)
      return Support::no("needs head_dim_v = head_dim_qk: for others oneDNN 3.7.2 writes beyond its memory");
    if (!s.seqlens_kv.empty()) return Support::no("one length for the whole batch only (seqlens_kv)");
    const auto reason = why_not_fused(problem, device.host_threads());
    return reason.empty() ? Support::yes() : Support::no(reason);
  }
  std::unique_ptr<Execution> prepare(const Problem& problem, const Device& device) const override {
    return std::make_unique<GraphExecution>(problem, device.host_threads());
  }
  double executed_flops(const Problem& problem) const override {
    const auto& s = problem.shape;
    const auto pairs = std::min(s.seqlen_q, s.seqlen_kv) * s.seqlen_kv;
    return 2.0 * static_cast<double>(pairs) * static_cast<double>(s.batch * s.num_q_heads) *
           static_cast<double>(s.head_dim_qk + s.head_dim_v);
  }
  /// The mask, and the scores and weights of one head for each thread.
  std::int64_t workspace_bytes(const Problem& problem, const Device& device) const override {
    const auto& s = problem.shape;
    return s.seqlen_q * s.seqlen_kv * size_bytes(s.dtype_q) * (1 + 2 * device.host_threads());
  }
};

}  // namespace
}  // namespace attnbench::onednn

ATTNBENCH_REGISTER_KERNEL(onednn_sdpa) {
  static const attnbench::onednn::Sdpa kernel;
  return kernel;
}
