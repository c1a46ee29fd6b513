#include "report/left_out.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>
#include <vector>

#include "core/kernel_name.h"

namespace attnbench {
namespace {

struct LeftOut {
  std::set<std::string> kernels, groups;
};

bool is_timed(const KernelAnalysis& kernel) { return kernel.seconds || kernel.rejected; }

bool failed(const KernelAnalysis& kernel) {
  return kernel.status != "unsupported" && kernel.status != "not measured";
}

std::string implementation_of(const KernelRecord& kernel) {
  return implementation_name(kernel.kernel, kernel.engine, kernel.path);
}

/// Without its mechanism, unless the same implementation ran for another one.
std::string name_in(const GroupAnalysis& group, const KernelAnalysis& kernel) {
  if (failed(kernel)) return kernel.id();
  const auto name = implementation_of(kernel.kernel);
  for (const auto& cell : group.cells) {
    for (const auto& other : cell.kernels) {
      if (is_timed(other) && implementation_of(other.kernel) == name)
        return fmt::format("{} ({})", name, kernel.kernel.mechanism);
    }
  }
  return name;
}

}  // namespace

std::string some_of(const std::set<std::string>& names) {
  constexpr std::size_t kNamed = 4;
  std::vector<std::string> named(names.begin(), names.end());
  if (named.size() <= kNamed + 1) return fmt::format("{}", fmt::join(named, ", "));
  named.resize(kNamed);
  return fmt::format("{} and {} more", fmt::join(named, ", "), names.size() - kNamed);
}

bool has_row(const GroupAnalysis& group, std::string_view kernel_id) {
  return std::any_of(group.cells.begin(), group.cells.end(), [&](const auto& cell) {
    const auto* kernel = cell.find(kernel_id);
    return kernel != nullptr && is_timed(*kernel);
  });
}

std::string left_out_lines(const RunAnalysis& run) {
  std::map<std::pair<std::string, bool>, LeftOut> reasons;  // and whether the kernels failed
  for (const auto& group : run.groups) {
    for (const auto& cell : group.cells) {
      for (const auto& kernel : cell.kernels) {
        if (has_row(group, kernel.id())) continue;
        auto& left_out = reasons[{fmt::format("{}: {}", kernel.status, kernel.reason), failed(kernel)}];
        left_out.kernels.insert(name_in(group, kernel));
        left_out.groups.insert(group.heading);
      }
    }
  }
  std::string text;
  for (const auto& [reason, left_out] : reasons) {
    const auto all = fmt::format("{}", fmt::join(left_out.kernels, ", "));
    auto line = fmt::format("{}: {}", reason.first, reason.second ? all : some_of(left_out.kernels));
    if (left_out.groups.size() < run.groups.size())
      line += fmt::format(" (in {})", fmt::join(left_out.groups, "; "));
    std::replace(line.begin(), line.end(), '\n', ' ');
    text += line + '\n';
  }
  return text;
}

}  // namespace attnbench
