#include "report/not_confirmed.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/format.h"

namespace attnbench {

std::string not_confirmed_mark(const GroupAnalysis& group, std::string_view kernel_id) {
  const bool any = std::any_of(group.cells.begin(), group.cells.end(), [&](const CellAnalysis& cell) {
    const auto* kernel = cell.find(kernel_id);
    return kernel != nullptr && !kernel->is_confirmed();
  });
  return any ? fmt::format(", {}", kNotConfirmed) : "";
}

}  // namespace attnbench
