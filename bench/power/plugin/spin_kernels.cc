// Three kernels for bench_power: mha/unfused@cpu under three names. In a process whose environment has
// ATTNBENCH_POWER_SLOWDOWN, the third waits after each call, for that share of what the call itself took.
#include <array>
#include <chrono>
#include <cstdlib>
#include <string>

#include "attnbench/host_kernel.h"
#include "attnbench/plugin.h"
#include "attnbench/registry.h"

namespace {

using namespace attnbench;
using Clock = std::chrono::steady_clock;

double slowdown() {
  const char* text = std::getenv("ATTNBENCH_POWER_SLOWDOWN");
  return text == nullptr ? 0 : std::atof(text);
}

/// The waiting call of both builds is the same code, so that they differ in the share alone.
class Spinning final : public HostExecution {
 public:
  Spinning(std::unique_ptr<HostExecution> original, double share)
      : original_(std::move(original)), share_(share) {}
  void call(const Tensors& tensors) override {
    const auto start = Clock::now();
    original_->call(tensors);
    const auto end = Clock::now() + std::chrono::duration<double>(Clock::now() - start) * share_;
    while (Clock::now() < end) {
    }
  }
  std::int64_t workspace_bytes() const override { return original_->workspace_bytes(); }

 private:
  std::unique_ptr<HostExecution> original_;
  double share_;
};

class Kernel final : public HostKernel {
 public:
  Kernel(std::string_view name, bool waits) : name_(name), waits_(waits) {}

  std::string_view kernel() const override { return name_; }
  std::string_view engine() const override { return "power"; }
  std::vector<MechanismKind> mechanisms() const override { return {MechanismKind::mha}; }
  Support supports_on_cpu(const Problem& problem, const CpuDevice& device) const override {
    return original(problem).supports(problem, device);
  }
  std::unique_ptr<HostExecution> prepare_on_cpu(const Problem& problem,
                                                const CpuDevice& device) const override {
    return std::make_unique<Spinning>(original(problem).prepare_on_cpu(problem, device),
                                      waits_ ? slowdown() : 0);
  }
  double executed_flops(const Problem& problem) const override {
    return original(problem).executed_flops(problem);
  }
  std::int64_t workspace_on_cpu(const Problem& problem, const CpuDevice& device) const override {
    return original(problem).workspace_bytes(problem, device);
  }

 private:
  static const HostKernel& original(const Problem& problem) {
    return dynamic_cast<const HostKernel&>(*find_kernel({problem.mechanism, "unfused", "cpu", ""}));
  }

  std::string_view name_;
  bool waits_;
};

}  // namespace

int attnbench_plugin_abi() { return kPluginAbi; }

const KernelInfo* const* attnbench_plugin_kernels() {
  static const Kernel baseline("unchanged1", false), unchanged("unchanged2", false), slowed("slowed", true);
  static const std::array<const KernelInfo*, 4> list{&baseline, &unchanged, &slowed, nullptr};
  return list.data();
}
