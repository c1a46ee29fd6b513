#include "analysis/cpu_set.h"

#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "core/cpu_list.h"

namespace attnbench {

CpuSet cpu_set(const RunContents& contents) {
  CpuSet result;
  std::set<int> used;
  for (const auto& cell : contents.cells) {
    if (cell.cpus.empty()) continue;
    result.used[cell.threads] = format_cpu_list(cell.cpus);
    used.insert(cell.cpus.begin(), cell.cpus.end());
  }
  const auto& environment = *contents.run.environment;
  const nlohmann::json::json_pointer allowed("/workers/allowed_cpus");
  if (environment.contains(allowed) && environment.at(allowed).is_string())
    result.allowed = environment.at(allowed).get<std::string>();
  const auto list = result.allowed.empty() ? format_cpu_list({used.begin(), used.end()}) : result.allowed;
  const nlohmann::json::json_pointer all("/cpu/logical_cpus");
  const bool known = environment.contains(all) && environment.at(all).is_number_integer();
  const bool whole =
      known && std::cmp_equal(parse_cpu_list(list).size(), environment.at(all).get<std::int64_t>());
  if (!list.empty() && !whole) result.command = "taskset -c " + list;
  return result;
}

}  // namespace attnbench
