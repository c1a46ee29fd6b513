#pragma once

#include "engines/cpu/cpu_kernel.h"
#include "engines/cpu/fused/softmax/block.h"

namespace attnbench::cpu::fused {

/// Kernel `fused` of every softmax mechanism, on one instruction path.
class SoftmaxKernel final : public CpuKernel {
 public:
  /// A path that computes one element type.
  explicit SoftmaxKernel(const SoftmaxPath& path) : name_(path.name), one_(&path) {}
  /// A path of several element types: `select` gives what computes one of them, or null.
  SoftmaxKernel(std::string_view name, const SoftmaxPath* (*select)(DType)) : name_(name), select_(select) {}
  std::string_view kernel() const override { return "fused"; }
  std::string_view path() const override { return name_; }
  std::vector<MechanismKind> mechanisms() const override;

 protected:
  Support core_supports(const Problem& problem, const CpuDevice& device) const override;
  std::unique_ptr<HostExecution> core_prepare(const Problem& problem, const CpuDevice& device) const override;
  double core_flops(const Problem& problem) const override;
  std::optional<double> core_moved_bytes(const Problem& problem) const override;
  std::int64_t core_workspace_bytes(const Problem& problem, const CpuDevice& device) const override;

 private:
  const SoftmaxPath* path_of(DType dtype) const;

  std::string_view name_;
  const SoftmaxPath* one_ = nullptr;
  const SoftmaxPath* (*select_)(DType) = nullptr;
};

}  // namespace attnbench::cpu::fused
