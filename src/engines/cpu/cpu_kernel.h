#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "attnbench/host_kernel.h"

namespace attnbench::cpu {

/// A kernel of engine `cpu`. It implements core scope; layer scope is added around it here (see layer.h).
class CpuKernel : public HostKernel {
 public:
  std::string_view engine() const final { return "cpu"; }
  bool made_here() const final { return true; }
  Support supports_on_cpu(const Problem& problem, const CpuDevice& device) const final;
  std::unique_ptr<HostExecution> prepare_on_cpu(const Problem& problem, const CpuDevice& device) const final;
  double executed_flops(const Problem& problem) const final;
  /// Told of core scope.
  std::optional<double> moved_bytes(const Problem& problem) const final;
  std::int64_t workspace_on_cpu(const Problem& problem, const CpuDevice& device) const final;

 protected:
  /// All are called with problems of core scope.
  virtual Support core_supports(const Problem& problem, const CpuDevice& device) const = 0;
  virtual std::unique_ptr<HostExecution> core_prepare(const Problem& problem,
                                                      const CpuDevice& device) const = 0;
  virtual double core_flops(const Problem& problem) const = 0;
  virtual std::optional<double> core_moved_bytes(const Problem&) const { return std::nullopt; }
  virtual std::int64_t core_workspace_bytes(const Problem& problem, const CpuDevice& device) const = 0;
};

}  // namespace attnbench::cpu
