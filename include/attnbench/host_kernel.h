#pragma once

#include "attnbench/cpu_device.h"
#include "attnbench/kernel.h"

#pragma GCC visibility push(default)

namespace attnbench {

/// An execution that computes in the host's memory, synchronously.
class HostExecution : public Execution {
 public:
  /// One call, complete on return. Allocates nothing. The tensors must satisfy check_tensors() for the
  /// prepared problem; they are not checked again here.
  virtual void call(const Tensors& tensors) = 0;

  /// Host tensors as they are.
  std::unique_ptr<Binding> bind(const Tensors& host) final;
  /// A loop under the monotonic clock.
  Timing time(std::span<Binding* const> bindings, std::int64_t runs, Queue& queue) final;
  Implementation implementation() const final { return {"", "it is compiled into this program"}; }
};

/// A kernel on the host's CPUs. On any other device it says no.
class HostKernel : public KernelInfo {
 public:
  Support supports(const Problem& problem, const Device& device) const final;
  std::unique_ptr<Execution> prepare(const Problem& problem, const Device& device) const final;
  std::int64_t workspace_bytes(const Problem& problem, const Device& device) const final;

  /// The same three of KernelInfo, on a CPU.
  virtual Support supports_on_cpu(const Problem& problem, const CpuDevice& device) const = 0;
  virtual std::unique_ptr<HostExecution> prepare_on_cpu(const Problem& problem,
                                                        const CpuDevice& device) const = 0;
  virtual std::int64_t workspace_on_cpu(const Problem& problem, const CpuDevice& device) const = 0;
};

}  // namespace attnbench

#pragma GCC visibility pop
