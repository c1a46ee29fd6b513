#include "attnbench/host_kernel.h"

#include <fmt/format.h>

#include <chrono>

namespace attnbench {
namespace {

class HostBinding final : public Binding {
 public:
  explicit HostBinding(const Tensors& host) : tensors(host) {}
  void write(Role) override {}
  void read(Role) override {}
  void poison(Role role) override { fill_nan(tensors[role]); }

  const Tensors tensors;
};

/// Null on any other device.
const CpuDevice* as_cpu(const Device& device) { return dynamic_cast<const CpuDevice*>(&device); }

}  // namespace

std::unique_ptr<Binding> HostExecution::bind(const Tensors& host) {
  return std::make_unique<HostBinding>(host);
}

Timing HostExecution::time(std::span<Binding* const> bindings, std::int64_t runs, Queue&) {
  const auto tensors_of = [&](std::size_t n) -> const Tensors& {
    return static_cast<const HostBinding*>(bindings[n])->tensors;
  };
  std::size_t next = 0;
  const auto start = std::chrono::steady_clock::now();
  for (std::int64_t run = 0; run < runs; ++run) {
    call(tensors_of(next));
    if (++next == bindings.size()) next = 0;
  }
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return {seconds, runs};
}

Support HostKernel::supports(const Problem& problem, const Device& device) const {
  if (const auto* cpu = as_cpu(device)) return supports_on_cpu(problem, *cpu);
  return Support::no(fmt::format("computes on device cpu, not on {}", device.name()));
}

std::unique_ptr<Execution> HostKernel::prepare(const Problem& problem, const Device& device) const {
  return prepare_on_cpu(problem, dynamic_cast<const CpuDevice&>(device));
}

std::int64_t HostKernel::workspace_bytes(const Problem& problem, const Device& device) const {
  return workspace_on_cpu(problem, dynamic_cast<const CpuDevice&>(device));
}

}  // namespace attnbench
