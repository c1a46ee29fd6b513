#include "engines/cpu/fused/linear/kernel.h"

#include <fmt/format.h>

namespace attnbench::cpu::linear {

Support LinearKernel::core_supports(const Problem& problem, const CpuDevice& device) const {
  const auto& s = problem.shape;
  if (problem.mechanism.kind != kind_) {
    return Support::no(fmt::format("computes {}, not {}", name(kind_), name(problem.mechanism.kind)));
  }
  if (s.dtype_q != s.dtype_kv || s.dtype_q != s.dtype_o) {
    return Support::no("one element type for q, k, v and o only");
  }
  return path_supports(s.dtype_q, device.features);
}

std::unique_ptr<HostExecution> LinearKernel::core_prepare(const Problem& problem,
                                                          const CpuDevice& device) const {
  return linear::prepare(problem, device, ops_(problem.shape.dtype_q));
}

double LinearKernel::core_flops(const Problem& problem) const {
  return linear::executed_flops(problem, ops_(problem.shape.dtype_q));
}

std::int64_t LinearKernel::core_workspace_bytes(const Problem& problem, const CpuDevice& device) const {
  return linear::workspace_bytes(problem, device, ops_(problem.shape.dtype_q));
}

}  // namespace attnbench::cpu::linear
