#include "engines/cpu/cpu_kernel.h"

#include "engines/cpu/layer.h"

namespace attnbench::cpu {

Support CpuKernel::supports_on_cpu(const Problem& problem, const CpuDevice& device) const {
  if (problem.scope == Scope::core) return core_supports(problem, device);
  if (auto support = layer_support(problem, device); !support) return support;
  return core_supports(core_problem(problem), device);
}

std::unique_ptr<HostExecution> CpuKernel::prepare_on_cpu(const Problem& problem,
                                                         const CpuDevice& device) const {
  if (problem.scope == Scope::core) return core_prepare(problem, device);
  return prepare_layer(problem, device, core_prepare(core_problem(problem), device));
}

double CpuKernel::executed_flops(const Problem& problem) const {
  if (problem.scope == Scope::core) return core_flops(problem);
  return projection_flops(problem) + core_flops(core_problem(problem));
}

std::optional<double> CpuKernel::moved_bytes(const Problem& problem) const {
  return problem.scope == Scope::core ? core_moved_bytes(problem) : std::nullopt;
}

std::int64_t CpuKernel::workspace_on_cpu(const Problem& problem, const CpuDevice& device) const {
  if (problem.scope == Scope::core) return core_workspace_bytes(problem, device);
  return layer_workspace_bytes(problem, device) + core_workspace_bytes(core_problem(problem), device);
}

}  // namespace attnbench::cpu
