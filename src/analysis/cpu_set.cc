#include "analysis/cpu_set.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "core/cpu_list.h"

namespace attnbench {

namespace {

/// "4 Performance, 2 Efficiency": how many of `cpus` are of each kind of the environment's core_kinds,
/// through which CPUs are counted. Empty where there are none, or a CPU is past them all.
std::string kinds_of(const std::vector<int>& cpus, const nlohmann::json& environment) {
  const nlohmann::json::json_pointer place("/cpu/core_kinds");
  if (!environment.contains(place)) return {};
  std::vector<std::string> kinds;
  std::int64_t first = 0, found = 0;
  for (const auto& kind : environment.at(place)) {
    const auto end = first + kind.value("logical_cpus", std::int64_t{0});
    const auto count =
        std::count_if(cpus.begin(), cpus.end(), [&](int cpu) { return cpu >= first && cpu < end; });
    if (count > 0) kinds.push_back(fmt::format("{} {}", count, kind.value("name", "")));
    found += count;
    first = end;
  }
  return std::cmp_equal(found, cpus.size()) ? fmt::format("{}", fmt::join(kinds, ", ")) : "";
}

}  // namespace

CpuSet cpu_set(const RunContents& contents) {
  CpuSet result;
  const auto& environment = *contents.run.environment;
  std::set<int> used;
  for (const auto& cell : contents.cells) {
    if (cell.cpus.empty()) continue;
    result.used[cell.threads] = format_cpu_list(cell.cpus);
    if (auto kinds = kinds_of(cell.cpus, environment); !kinds.empty())
      result.cores[cell.threads] = std::move(kinds);
    used.insert(cell.cpus.begin(), cell.cpus.end());
  }
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
