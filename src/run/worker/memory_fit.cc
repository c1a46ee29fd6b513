#include "run/worker/memory_fit.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "plan/budget.h"
#include "run/environment/parse.h"
#include "run/environment/system_files.h"

namespace attnbench {
namespace {

double gib(std::int64_t bytes) { return static_cast<double>(bytes) / (1 << 30); }

}  // namespace

std::int64_t available_memory_bytes() {
  const auto text = SystemFiles().read("/proc/meminfo");
  return text ? parse_meminfo(*text, "MemAvailable").value_or(0) : 0;
}

std::map<std::string, std::string> kernels_that_do_not_fit(const Cell& cell,
                                                           std::span<const KernelChoice> kernels,
                                                           const Device& device,
                                                           std::int64_t available_bytes) {
  std::map<std::string, std::string> refused;
  if (available_bytes == 0) return refused;
  struct Demand {
    std::string id;
    std::int64_t bytes;
  };
  std::vector<Demand> demands;
  for (const auto& choice : kernels) {
    const auto problem = cell.problem(choice.mechanism);
    if (!choice.kernel->supports(problem, device)) continue;
    demands.push_back({choice.id(), choice.kernel->workspace_bytes(problem, device)});
  }
  std::stable_sort(demands.begin(), demands.end(),
                   [](const auto& a, const auto& b) { return a.bytes < b.bytes; });
  const std::int64_t limit = available_bytes / 5 * 4;
  std::int64_t used = memory_bytes(cell);
  for (const auto& [id, bytes] : demands) {
    if (bytes > limit - used) {
      refused[id] = fmt::format(
          "does not fit in memory: needs {:.2f} GiB beside {:.2f} GiB of this cell's tensors and "
          "other kernels; {:.2f} GiB are available, of which four fifths are used",
          gib(bytes), gib(used), gib(available_bytes));
    } else {
      used += bytes;
    }
  }
  return refused;
}

}  // namespace attnbench
