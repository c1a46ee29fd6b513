#pragma once

#include <memory>
#include <string_view>

#include "attnbench/kernel.h"
#include "engines/cuda/layer.h"

namespace attnbench::cuda {

/// A kernel of engine `cuda` whose execution type E plans in its constructor E(problem, device) and allocates
/// in allocate(). It implements core scope; layer scope is added around it here (see layer.h).
template <typename E>
class CudaKernel : public KernelInfo {
 public:
  std::string_view engine() const final { return "cuda"; }
  bool made_here() const final { return true; }
  Support supports(const Problem& problem, const Device& device) const final {
    if (problem.scope == Scope::core) return core_supports(problem, device);
    if (auto support = core_supports(core_problem(problem), device); !support) return support;
    return layer_support(problem);
  }
  std::unique_ptr<Execution> prepare(const Problem& problem, const Device& device) const final {
    auto execution = planned(problem, device);
    execution->allocate();
    return execution;
  }
  double executed_flops(const Problem& problem) const final {
    if (problem.scope == Scope::core) return core_flops(problem);
    return projection_flops(problem) + core_flops(core_problem(problem));
  }
  std::int64_t workspace_bytes(const Problem& problem, const Device& device) const final {
    return planned(problem, device)->workspace_bytes();
  }

 protected:
  /// Both are called with problems of core scope.
  virtual Support core_supports(const Problem& problem, const Device& device) const = 0;
  virtual double core_flops(const Problem& problem) const = 0;

 private:
  static std::unique_ptr<CudaExecution> planned(const Problem& problem, const Device& device) {
    if (problem.scope == Scope::core) return std::make_unique<E>(problem, device);
    return make_layer(problem, device, std::make_unique<E>(core_problem(problem), device));
  }
};

}  // namespace attnbench::cuda
