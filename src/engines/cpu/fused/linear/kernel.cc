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
  if (path_.only && s.dtype_q != *path_.only) {
    return Support::no(fmt::format("{} only, not {}", name(*path_.only), name(s.dtype_q)));
  }
  if (const auto missing = path_.missing(device.features); !missing.empty()) {
    return Support::no(fmt::format("this CPU lacks {}", missing));
  }
  return Support::yes();
}

std::unique_ptr<HostExecution> LinearKernel::core_prepare(const Problem& problem,
                                                          const CpuDevice& device) const {
  return linear::prepare(problem, device, path_.ops(problem.shape.dtype_q));
}

double LinearKernel::core_flops(const Problem& problem) const {
  return linear::executed_flops(problem, path_.ops(problem.shape.dtype_q));
}

std::int64_t LinearKernel::core_workspace_bytes(const Problem& problem, const CpuDevice& device) const {
  return linear::workspace_bytes(problem, device, path_.ops(problem.shape.dtype_q));
}

}  // namespace attnbench::cpu::linear
