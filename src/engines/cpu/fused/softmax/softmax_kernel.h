#pragma once

#include "engines/cpu/cpu_kernel.h"
#include "engines/cpu/fused/softmax/block.h"

namespace attnbench::cpu::fused {

/// Kernel `fused` of every softmax mechanism, on one instruction path.
class SoftmaxKernel final : public CpuKernel {
 public:
  explicit SoftmaxKernel(const SoftmaxPath& path) : path_(path) {}
  std::string_view kernel() const override { return "fused"; }
  std::string_view path() const override { return path_.name; }
  std::vector<MechanismKind> mechanisms() const override;

 protected:
  Support core_supports(const Problem& problem, const Device& device) const override;
  std::unique_ptr<Execution> core_prepare(const Problem& problem, const Device& device) const override;
  double core_flops(const Problem& problem) const override;
  std::int64_t core_workspace_bytes(const Problem& problem, const Device& device) const override;

 private:
  const SoftmaxPath& path_;
};

}  // namespace attnbench::cpu::fused
