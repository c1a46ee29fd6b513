// An engine of another kind than `cpu`, for the tests of the contract between instrument and kernel: device
// "remote:0" has memory of its own, in which host pointers mean nothing; a thread of its own computes;
// calls are recorded and evaluated together; times are its own clock's. One kernel is right, the others have
// one fault each. All compute mha in f32, core scope.

#include <chrono>
#include <cmath>
#include <condition_variable>
#include <csignal>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <limits>
#include <map>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "attnbench/plugin.h"

namespace {

using namespace attnbench;
using Clock = std::chrono::steady_clock;

/// Kept inverted, so that nobody reads it by accident.
class RemoteMemory {
 public:
  void write(const TensorView& host) {
    sizes_ = host.sizes;
    floats_.assign(static_cast<std::size_t>(host.elements()), 0);
    for_rows(host, [&](float* row, std::size_t at) {
      for (std::int64_t c = 0; c < sizes_[3]; ++c) floats_[at + static_cast<std::size_t>(c)] = invert(row[c]);
    });
  }
  void read(const TensorView& host) const {
    for_rows(host, [&](float* row, std::size_t at) {
      for (std::int64_t c = 0; c < sizes_[3]; ++c) row[c] = at_index(at + static_cast<std::size_t>(c));
    });
  }
  void fill(float value) { floats_.assign(floats_.size(), invert(value)); }
  float get(std::int64_t batch, std::int64_t head, std::int64_t row, std::int64_t column) const {
    return at_index(index(batch, head, row, column));
  }
  void set(std::int64_t batch, std::int64_t head, std::int64_t row, std::int64_t column, float value) {
    floats_[index(batch, head, row, column)] = invert(value);
  }
  std::int64_t rows() const { return sizes_[2]; }

 private:
  static std::uint32_t invert(float value) {
    std::uint32_t bits = 0;
    std::memcpy(&bits, &value, sizeof bits);
    return ~bits;
  }
  float at_index(std::size_t at) const {
    const std::uint32_t bits = ~floats_[at];
    float value = 0;
    std::memcpy(&value, &bits, sizeof value);
    return value;
  }
  std::size_t index(std::int64_t b, std::int64_t h, std::int64_t i, std::int64_t c) const {
    return static_cast<std::size_t>(((b * sizes_[1] + h) * sizes_[2] + i) * sizes_[3] + c);
  }
  template <typename Visit>
  void for_rows(const TensorView& host, Visit visit) const {
    for (std::int64_t b = 0; b < host.sizes[0]; ++b) {
      for (std::int64_t h = 0; h < host.sizes[1]; ++h) {
        for (std::int64_t i = 0; i < host.sizes[2]; ++i) visit(host.row<float>(b, h, i), index(b, h, i, 0));
      }
    }
  }

  std::array<std::int64_t, 4> sizes_{};
  std::vector<std::uint32_t> floats_;
};

/// Work is done by a thread, in order; push() returns at once.
class RemoteQueue final : public Queue {
 public:
  RemoteQueue() : thread_([this] { work(); }) {}
  ~RemoteQueue() override {
    push({});
    thread_.join();
  }
  void push(std::function<void()> job) {
    const std::lock_guard lock(mutex_);
    jobs_.push_back(std::move(job));
    ++pending_;
    changed_.notify_all();
  }
  void wait() override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return pending_ == 0; });
  }

 private:
  void work() {
    while (true) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return !jobs_.empty(); });
      const auto job = std::move(jobs_.front());
      jobs_.pop_front();
      lock.unlock();
      if (job) job();
      lock.lock();
      --pending_;
      changed_.notify_all();
      if (!job) return;
    }
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::function<void()>> jobs_;
  int pending_ = 0;
  std::thread thread_;
};

/// What of the device is broken, by the environment.
std::string_view device_fault() {
  const char* fault = std::getenv("ATTNBENCH_TEST_DEVICE_FAULT");
  return fault == nullptr ? "" : fault;
}

class RemoteDevice final : public Device {
 public:
  std::string name() const override { return device_fault() == "name" ? "remote:7" : "remote:0"; }
  std::map<std::string, std::string> identity() const override {
    return {{"model", "test device"}, {"driver", "1.2"}};
  }
  std::unique_ptr<Queue> make_queue() const override {
    if (device_fault() == "queue") throw std::runtime_error("no queue today");
    return std::make_unique<RemoteQueue>();
  }
  std::int64_t free_bytes() const override {
    if (device_fault() == "free_bytes") throw std::runtime_error("no bytes today");
    return std::int64_t{1} << 30;
  }
  void evict() override {}
  Ceilings ceilings() const override {
    Ceilings ceilings;
    ceilings.threads = 1;
    ceilings.compute.push_back(
        {"fma", "remote", DType::f32, device_fault() == "ceilings" ? std::nan("") : 1e12});
    ceilings.bandwidth.push_back({1 << 20, 1e12, 1e12});
    return ceilings;
  }
  std::map<std::string, double> probe() const override {
    if (device_fault() == "probe") std::raise(SIGSEGV);
    return {{"clock_mhz", 1234}};
  }
};

enum class Fault {
  none,
  forgets_to_fetch,
  returns_previous_output,
  ignores_new_values,
  reports_no_time,
  reports_a_hundredth,
  makes_fewer_calls,
  computes_when_read,
  another_kernel_runs,
};

class RemoteBinding final : public Binding {
 public:
  RemoteBinding(const Problem& problem, const Tensors& host, Fault fault) : host_(host), fault_(fault) {
    for (const auto& spec : roles_of(problem)) {
      if (host_[spec.role]) memory[spec.role].write(host_[spec.role]);
    }
  }
  void write(Role role) override {
    if (fault_ != Fault::ignores_new_values) memory.at(role).write(host_[role]);
  }
  void read(Role role) override {
    if (when_read) std::exchange(when_read, {})();
    if (fault_ != Fault::forgets_to_fetch) memory.at(role).read(host_[role]);
  }
  void poison(Role role) override {
    memory.at(role).fill(std::numeric_limits<float>::quiet_NaN());
    fill_nan(host_[role]);
  }

  std::map<Role, RemoteMemory> memory;
  std::function<void()> when_read;  ///< work that was left until then

 private:
  Tensors host_;
  Fault fault_;
};

/// Softmax attention of one call, in double.
void attend(const Problem& problem, std::map<Role, RemoteMemory>& memory) {
  const auto& s = problem.shape;
  const auto& q = memory.at(Role::q);
  const auto& k = memory.at(Role::k);
  const auto& v = memory.at(Role::v);
  std::vector<double> weights(static_cast<std::size_t>(k.rows()));
  for (std::int64_t b = 0; b < s.batch; ++b) {
    for (std::int64_t h = 0; h < s.num_q_heads; ++h) {
      for (std::int64_t i = 0; i < s.seqlen_q; ++i) {
        double top = -std::numeric_limits<double>::infinity();
        for (std::size_t j = 0; j < weights.size(); ++j) {
          double dot = 0;
          for (std::int64_t d = 0; d < s.head_dim_qk; ++d)
            dot += double{q.get(b, h, i, d)} * k.get(b, h, static_cast<std::int64_t>(j), d);
          weights[j] = dot * s.softmax_scale;
          top = std::max(top, weights[j]);
        }
        double sum = 0;
        for (auto& weight : weights) sum += weight = std::exp(weight - top);
        if (memory.contains(Role::lse))
          memory.at(Role::lse).set(b, h, i, 0, static_cast<float>(top + std::log(sum)));
        for (std::int64_t d = 0; d < s.head_dim_v; ++d) {
          double value = 0;
          for (std::size_t j = 0; j < weights.size(); ++j)
            value += weights[j] / sum * v.get(b, h, static_cast<std::int64_t>(j), d);
          memory.at(Role::o).set(b, h, i, d, static_cast<float>(value));
        }
      }
    }
  }
}

class RemoteExecution final : public Execution {
 public:
  RemoteExecution(const Problem& problem, Fault fault) : problem_(problem), fault_(fault) {}

  std::unique_ptr<Binding> bind(const Tensors& host) override {
    return std::make_unique<RemoteBinding>(problem_, host, fault_);
  }

  /// Records all calls, then lets the queue's thread evaluate them; its clock tells the time.
  Timing time(std::span<Binding* const> bindings, std::int64_t runs, Queue& queue) override {
    auto& remote = dynamic_cast<RemoteQueue&>(queue);
    Clock::time_point start, end;
    remote.push([&] { start = Clock::now(); });
    for (std::int64_t run = 0; run < runs; ++run) {
      auto* binding = static_cast<RemoteBinding*>(bindings[static_cast<std::size_t>(run) % bindings.size()]);
      if (fault_ == Fault::computes_when_read) {
        binding->when_read = [this, binding] {
          attend(problem_, binding->memory);
          std::this_thread::sleep_for(std::chrono::milliseconds(20));
        };
      } else {
        remote.push([this, binding] { compute(*binding); });
      }
    }
    remote.push([&] { end = Clock::now(); });
    remote.wait();
    const double seconds = std::chrono::duration<double>(end - start).count();
    if (fault_ == Fault::reports_no_time) return {0, runs};
    if (fault_ == Fault::reports_a_hundredth) return {seconds / 100, runs};
    if (fault_ == Fault::makes_fewer_calls) return {seconds, runs / 2};
    return {seconds, runs};
  }

  std::int64_t workspace_bytes() const override { return 0; }
  Implementation implementation() const override {
    return {fault_ == Fault::another_kernel_runs ? "attend_reference" : "attend", "the remote engine's log"};
  }

 private:
  void compute(RemoteBinding& binding) {
    attend(problem_, binding.memory);
    if (fault_ == Fault::returns_previous_output) {
      const auto current = binding.memory.at(Role::o);
      if (previous_) binding.memory.at(Role::o) = *previous_;
      previous_ = current;
    }
    if (fault_ == Fault::reports_a_hundredth) std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }

  Problem problem_;
  Fault fault_;
  std::optional<RemoteMemory> previous_;  ///< output
};

class RemoteKernel final : public KernelInfo {
 public:
  RemoteKernel(std::string_view name, Fault fault) : name_(name), fault_(fault) {}
  std::string_view kernel() const override { return name_; }
  std::string_view engine() const override { return "remote"; }
  std::vector<MechanismKind> mechanisms() const override { return {MechanismKind::mha}; }
  std::string implementation() const override { return "attend"; }
  Support supports(const Problem& problem, const Device& device) const override {
    if (device.name() != "remote:0") return Support::no("computes on device remote:0 alone");
    const bool plain = problem.scope == Scope::core && problem.shape.dtype_q == DType::f32 &&
                       !problem.mechanism.causal_bottom_right && problem.shape.seqlens_kv.empty() &&
                       problem.shape.seqlen_q <= problem.shape.seqlen_kv;
    return plain ? Support::yes() : Support::no("the test kernels compute full mha in f32, core scope");
  }
  std::unique_ptr<Execution> prepare(const Problem& problem, const Device&) const override {
    return std::make_unique<RemoteExecution>(problem, fault_);
  }
  double executed_flops(const Problem& problem) const override { return work(problem).useful_flops; }
  std::int64_t workspace_bytes(const Problem&, const Device&) const override { return 0; }

 private:
  std::string_view name_;
  Fault fault_;
};

class RemoteDevices final : public DeviceProvider {
 public:
  std::vector<std::string> names() const override {
    if (device_fault() == "names") return {"remote:0", "remote:0"};
    return {"remote:0"};
  }
  std::unique_ptr<Device> open(std::string_view) const override {
    if (device_fault() == "open") return nullptr;
    return std::make_unique<RemoteDevice>();
  }
};

}  // namespace

int attnbench_plugin_abi() { return kPluginAbi; }

const DeviceProvider* attnbench_plugin_devices() {
  static const RemoteDevices devices;
  return &devices;
}

const KernelInfo* const* attnbench_plugin_kernels() {
  static const RemoteKernel attend("attend", Fault::none), other("attend_too", Fault::none);
  static const RemoteKernel forgets("forgets_to_fetch", Fault::forgets_to_fetch);
  static const RemoteKernel stale("returns_previous_output", Fault::returns_previous_output);
  static const RemoteKernel ignores("ignores_new_values", Fault::ignores_new_values);
  static const RemoteKernel no_time("reports_no_time", Fault::reports_no_time);
  static const RemoteKernel hundredth("reports_a_hundredth", Fault::reports_a_hundredth);
  static const RemoteKernel fewer("makes_fewer_calls", Fault::makes_fewer_calls);
  static const RemoteKernel late("computes_when_read", Fault::computes_when_read);
  static const RemoteKernel falls_back("falls_back", Fault::another_kernel_runs);
  static const KernelInfo* const all[] = {&attend,    &other, &forgets, &stale,      &ignores, &no_time,
                                          &hundredth, &fewer, &late,    &falls_back, nullptr};
  return all;
}
