#pragma once

#include <optional>
#include <string_view>

#include "engines/cpu/cpu_kernel.h"
#include "engines/cpu/fused/linear/execution.h"

namespace attnbench::cpu::linear {

/// An instruction path: which element types it computes, and what it needs of a CPU.
struct LinearPath {
  std::string_view name;
  std::optional<DType> only;  ///< where it computes one element type alone
  /// Empty, or what of the CPU is missing.
  std::string_view (*missing)(const CpuFeatures&);
  const Ops& (*ops)(DType);
};

/// linear/fused or causal_linear/chunked on one instruction path (Katharopoulos et al. 2020, eq. 4-12;
/// chunk-wise state passing: Hua et al. 2022, "Transformer Quality in Linear Time").
class LinearKernel final : public CpuKernel {
 public:
  LinearKernel(MechanismKind kind, const LinearPath& path) : kind_(kind), path_(path) {}

  std::string_view kernel() const override { return kind_ == MechanismKind::linear ? "fused" : "chunked"; }
  std::string_view path() const override { return path_.name; }
  std::vector<MechanismKind> mechanisms() const override { return {kind_}; }

 protected:
  Support core_supports(const Problem& problem, const CpuDevice& device) const override;
  std::unique_ptr<HostExecution> core_prepare(const Problem& problem, const CpuDevice& device) const override;
  double core_flops(const Problem& problem) const override;
  std::int64_t core_workspace_bytes(const Problem& problem, const CpuDevice& device) const override;

 private:
  MechanismKind kind_;
  LinearPath path_;
};

}  // namespace attnbench::cpu::linear
