#include "store/format_1.h"

#include <string_view>
#include <vector>

#include "core/decisions.h"

namespace attnbench {

void decide_as_format_1(const RunRecord& run, CellRecord& cell) {
  const auto ceilings = stored_ceilings(run, cell.device, cell.threads).value_or(Ceilings{});
  for (auto& kernel : cell.kernels) {
    kernel.form = form_of(kernel.kernel);
    std::vector<std::string_view> paths;
    for (const auto& other : cell.kernels) {
      const bool same_kernel = other.mechanism == kernel.mechanism && other.kernel == kernel.kernel &&
                               other.engine == kernel.engine;
      if (same_kernel && other.support_reason.empty()) paths.push_back(other.path);
    }
    kernel.is_default_path = paths.empty() || paths[preferred_path(paths, ceilings)] == kernel.path;
  }
}

}  // namespace attnbench
