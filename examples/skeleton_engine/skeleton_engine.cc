// An engine in one file, loaded with --plugin: a device with memory of its own and one kernel that computes
// there. Copy it, rename it, and replace each body by calls of your framework or accelerator;
// docs/adding-an-engine.md goes through it step by step. Here "the device" is this process, its memory a
// vector, and its kernel softmax attention by the definition (mha, gqa and mqa in f32).
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "attnbench/plugin.h"

namespace {

using namespace attnbench;
using Clock = std::chrono::steady_clock;

constexpr std::string_view kDevice = "skeleton:0";

/// Where work waits. A stream of a GPU would be a member; here every call is complete when it returns.
class SkeletonQueue final : public Queue {
 public:
  void wait() override {}
};

class SkeletonDevice final : public Device {
 public:
  std::string name() const override { return std::string(kDevice); }
  /// What makes two runs comparable: a model and a driver's version.
  std::map<std::string, std::string> identity() const override {
    return {{"model", "skeleton"}, {"version", "1"}};
  }
  std::unique_ptr<Queue> make_queue() const override { return std::make_unique<SkeletonQueue>(); }
  /// A device without a cache has nothing to forget.
  void evict() override {}
  /// Nobody has measured them: nothing is then called impossible.
  Ceilings ceilings() const override { return {}; }
};

class SkeletonDevices final : public DeviceProvider {
 public:
  std::vector<std::string> names() const override { return {std::string(kDevice)}; }
  std::unique_ptr<Device> open(std::string_view) const override { return std::make_unique<SkeletonDevice>(); }
};

/// Memory of the device: dense rows of f32.
struct DeviceTensor {
  std::array<std::int64_t, 4> sizes{};
  std::vector<float> elements;

  /// The same elements as a view, for kernel and copies alike.
  TensorView view() {
    return dense_view(elements.data(), DType::f32, Layout::bhsd, sizes[0], sizes[1], sizes[2], sizes[3]);
  }
};

/// Device memory for one set of host tensors. Only copies: whatever a call needs besides is the call's.
class SkeletonBinding final : public Binding {
 public:
  SkeletonBinding(const Problem& problem, const Tensors& host) : host_(host) {
    for (const auto& spec : roles_of(problem)) {
      const auto& tensor = host[spec.role];
      if (!tensor) continue;  // lse may be left out
      memory_[spec.role] = {tensor.sizes, std::vector<float>(static_cast<std::size_t>(tensor.elements()))};
      device[spec.role] = memory_[spec.role].view();
      write(spec.role);
    }
  }
  void write(Role role) override { copy_elements(host_[role], device[role]); }
  void read(Role role) override { copy_elements(device[role], host_[role]); }
  void poison(Role role) override {
    fill_nan(device[role]);
    fill_nan(host_[role]);
  }

  Tensors device;

 private:
  Tensors host_;
  std::map<Role, DeviceTensor> memory_;
};

class SkeletonExecution final : public Execution {
 public:
  explicit SkeletonExecution(const Problem& problem)
      : problem_(problem), weights_(static_cast<std::size_t>(problem.shape.seqlen_kv)) {}

  std::unique_ptr<Binding> bind(const Tensors& host) override {
    return std::make_unique<SkeletonBinding>(problem_, host);
  }

  /// A device with a clock of its own reads that; one that evaluates lazily forces its outputs before it
  /// stops.
  Timing time(std::span<Binding* const> bindings, std::int64_t runs, Queue& queue) override {
    const auto start = Clock::now();
    for (std::int64_t run = 0; run < runs; ++run) {
      const auto next = static_cast<std::size_t>(run) % bindings.size();
      attend(static_cast<SkeletonBinding*>(bindings[next])->device);
    }
    queue.wait();
    return {std::chrono::duration<double>(Clock::now() - start).count(), runs};
  }

  std::int64_t workspace_bytes() const override {
    return static_cast<std::int64_t>(weights_.size() * sizeof(float));
  }

  /// A framework that chooses among implementations says here which one it took, and how that is known.
  Implementation implementation() const override { return {"skeleton", "this file has no other"}; }

 private:
  void attend(const Tensors& t) {
    const auto& s = problem_.shape;
    const auto group = s.num_q_heads / problem_.mechanism.num_kv_heads;
    const auto keys = t[Role::k].sizes[2];
    for (std::int64_t b = 0; b < s.batch; ++b) {
      for (std::int64_t h = 0; h < s.num_q_heads; ++h) {
        for (std::int64_t i = 0; i < s.seqlen_q; ++i) attend_row(t, b, h, h / group, i, keys);
      }
    }
  }

  void attend_row(const Tensors& t, std::int64_t b, std::int64_t h, std::int64_t kv_head, std::int64_t i,
                  std::int64_t all_keys) {
    const auto& s = problem_.shape;
    const auto keys = visible_keys(problem_.mechanism, i, s.seqlen_q, all_keys);
    const auto* q = t[Role::q].row<const float>(b, h, i);
    auto* o = t[Role::o].row<float>(b, h, i);
    float maximum = -std::numeric_limits<float>::infinity();
    for (std::int64_t j = 0; j < keys; ++j) {
      const auto* k = t[Role::k].row<const float>(b, kv_head, j);
      float dot = 0;
      for (std::int64_t d = 0; d < s.head_dim_qk; ++d) dot += q[d] * k[d];
      auto& score = weights_[static_cast<std::size_t>(j)] = static_cast<float>(s.softmax_scale) * dot;
      maximum = std::max(maximum, score);
    }
    float sum = 0;
    std::fill_n(o, s.head_dim_v, 0.0f);
    for (std::int64_t j = 0; j < keys; ++j) {
      const float weight = std::exp(weights_[static_cast<std::size_t>(j)] - maximum);
      const auto* v = t[Role::v].row<const float>(b, kv_head, j);
      for (std::int64_t d = 0; d < s.head_dim_v; ++d) o[d] += weight * v[d];
      sum += weight;
    }
    for (std::int64_t d = 0; keys > 0 && d < s.head_dim_v; ++d) o[d] /= sum;
    if (t[Role::lse]) *t[Role::lse].row<float>(b, h, i) = maximum + std::log(sum);
  }

  /// Keys that a query sees: the first ones, since no mechanism here has a window.
  static std::int64_t visible_keys(const Mechanism& mechanism, std::int64_t query, std::int64_t queries,
                                   std::int64_t keys) {
    const auto position = query + keys - queries;
    if (position < 0) return 0;
    return mechanism.causal_bottom_right ? std::min(position + 1, keys) : keys;
  }

  Problem problem_;
  std::vector<float> weights_;
};

class SkeletonKernel final : public KernelInfo {
 public:
  std::string_view kernel() const override { return "skeleton"; }
  std::string_view engine() const override { return "skeleton"; }
  std::vector<MechanismKind> mechanisms() const override {
    return {MechanismKind::mha, MechanismKind::gqa, MechanismKind::mqa};
  }
  Support supports(const Problem& problem, const Device& device) const override {
    const auto& s = problem.shape;
    if (device.name() != kDevice) return Support::no("computes on device skeleton:0 alone");
    if (problem.scope != Scope::core) return Support::no("core scope only");
    if (s.dtype_q != DType::f32 || s.dtype_kv != DType::f32 || s.dtype_o != DType::f32)
      return Support::no("f32 only");
    if (!s.seqlens_kv.empty()) return Support::no("one length for the whole batch only (seqlens_kv)");
    return Support::yes();
  }
  std::unique_ptr<Execution> prepare(const Problem& problem, const Device&) const override {
    return std::make_unique<SkeletonExecution>(problem);
  }
  double executed_flops(const Problem& problem) const override { return work(problem).useful_flops; }
  std::int64_t workspace_bytes(const Problem& problem, const Device&) const override {
    return problem.shape.seqlen_kv * static_cast<std::int64_t>(sizeof(float));
  }
};

}  // namespace

int attnbench_plugin_abi() { return kPluginAbi; }

const KernelInfo* const* attnbench_plugin_kernels() {
  static const SkeletonKernel kernel;
  static const KernelInfo* const kernels[] = {&kernel, nullptr};
  return kernels;
}

const DeviceProvider* attnbench_plugin_devices() {
  static const SkeletonDevices devices;
  return &devices;
}
