#include "attnbench/kernel.h"

#include <algorithm>

#include "core/kernel_name.h"

namespace attnbench {

std::string kernel_id(const Mechanism& mechanism, const KernelInfo& kernel) {
  return kernel_id(to_string(mechanism), kernel.kernel(), kernel.engine(), kernel.path());
}

bool computes(const KernelInfo& kernel, MechanismKind kind) {
  const auto kinds = kernel.mechanisms();
  return std::find(kinds.begin(), kinds.end(), kind) != kinds.end();
}

Timing run_once(Execution& execution, const Problem& problem, const Tensors& tensors, Queue& queue) {
  const auto binding = execution.bind(tensors);
  auto* const bindings = binding.get();
  const auto timing = execution.time({&bindings, 1}, 1, queue);
  for (const auto& spec : roles_of(problem)) {
    if (spec.access == Access::out && tensors[spec.role]) binding->read(spec.role);
  }
  return timing;
}

}  // namespace attnbench
