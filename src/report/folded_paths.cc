#include "report/folded_paths.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

namespace attnbench {

std::string fold_other_paths(const GroupAnalysis& group, std::vector<KernelRecord>& rows) {
  const auto unsupported_reason = [&](const KernelRecord& row) {
    std::string reason;
    for (const auto& cell : group.cells) {
      for (const auto& kernel : cell.kernels) {
        if (kernel.kernel.id() != row.id()) continue;
        if (kernel.status != "unsupported" || (!reason.empty() && kernel.reason != reason))
          return std::string();
        reason = kernel.reason;
      }
    }
    return reason;
  };
  const auto has_other_path = [&](const KernelRecord& row) {
    return std::any_of(rows.begin(), rows.end(), [&](const KernelRecord& other) {
      return other.mechanism == row.mechanism && other.kernel == row.kernel && other.engine == row.engine &&
             other.path != row.path && unsupported_reason(other).empty();
    });
  };
  std::vector<KernelRecord> kept;
  std::map<std::string, std::map<std::string, std::vector<std::string>>>
      folded;  // reason, kernel, mechanisms
  for (const auto& row : rows) {
    const auto reason = unsupported_reason(row);
    if (reason.empty() || !has_other_path(row)) {
      kept.push_back(row);
    } else {
      const auto id = row.id();
      folded[reason][id.substr(id.rfind('/') + 1)].push_back(row.mechanism);
    }
  }
  rows = kept;
  std::string lines;
  for (const auto& [reason, kernels] : folded) {
    for (const auto& [kernel, mechanisms] : kernels)
      lines += fmt::format("not run: {} ({}): {}\n", kernel, fmt::join(mechanisms, ", "), reason);
  }
  return lines;
}

}  // namespace attnbench
