#pragma once

#include "engines/cpu/cpu_kernel.h"
#include "engines/cpu/fused/linear/execution.h"

namespace attnbench::cpu::linear {

/// linear/fused or causal_linear/chunked on one instruction path (Katharopoulos et al. 2020, eq. 4-12;
/// chunk-wise state passing: Hua et al. 2022, "Transformer Quality in Linear Time").
class LinearKernel : public CpuKernel {
 public:
  LinearKernel(MechanismKind kind, std::string_view path, const Ops& (*ops)(DType))
      : kind_(kind), path_(path), ops_(ops) {}

  std::string_view kernel() const final { return kind_ == MechanismKind::linear ? "fused" : "chunked"; }
  std::string_view path() const final { return path_; }
  std::vector<MechanismKind> mechanisms() const final { return {kind_}; }

 protected:
  /// No with a reason where the path lacks the element type or the CPU lacks the path.
  virtual Support path_supports(DType dtype, const CpuFeatures& features) const = 0;

  Support core_supports(const Problem& problem, const CpuDevice& device) const final;
  std::unique_ptr<HostExecution> core_prepare(const Problem& problem, const CpuDevice& device) const final;
  double core_flops(const Problem& problem) const final;
  std::int64_t core_workspace_bytes(const Problem& problem, const CpuDevice& device) const final;

 private:
  MechanismKind kind_;
  std::string_view path_;
  const Ops& (*ops_)(DType);
};

}  // namespace attnbench::cpu::linear
