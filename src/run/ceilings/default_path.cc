#include "run/ceilings/default_path.h"

#include <string_view>
#include <vector>

#include "core/decisions.h"

namespace attnbench {

const KernelInfo* default_path(const KernelInfo& kernel, std::span<const KernelInfo* const> kernels,
                               const Problem& problem, const Device& device, const Ceilings& ceilings) {
  std::vector<const KernelInfo*> able;
  std::vector<std::string_view> paths;
  for (const auto* other : kernels) {
    if (other->kernel() != kernel.kernel() || other->engine() != kernel.engine()) continue;
    if (!other->supports(problem, device)) continue;
    able.push_back(other);
    paths.push_back(other->path());
  }
  return able.empty() ? nullptr : able[preferred_path(paths, ceilings)];
}

}  // namespace attnbench
