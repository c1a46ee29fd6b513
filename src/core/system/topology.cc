#include "core/system/topology.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <tuple>
#include <utility>

#include "core/cpu_list.h"
#include "core/system/apple_values.h"
#include "core/system/parse.h"

namespace attnbench {
namespace {

std::string cpu_folder(int cpu) { return fmt::format("/sys/devices/system/cpu/cpu{}", cpu); }

std::optional<std::int64_t> read_integer(const SystemFiles& files, const std::string& path) {
  const auto text = files.read(path);
  return text ? parse_integer(*text) : std::nullopt;
}

/// CPUs first..first + count - 1.
std::vector<int> cpus_from(int first, int count) {
  std::vector<int> cpus(static_cast<std::size_t>(count));
  std::iota(cpus.begin(), cpus.end(), first);
  return cpus;
}

/// Those of one CPU of a level. A level 2 cache serves cpus_per_l2 neighbours; no larger cache is told.
std::vector<Cache> apple_caches(const std::vector<apple::PerfLevel>& levels, int cpu) {
  const auto level = apple::level_of(levels, cpu);
  if (!level) return {};
  const auto& cores = levels[*level];
  int first = 0;
  for (std::size_t before = 0; before < *level; ++before) first += levels[before].logical;
  const int group = first + (cpu - first) / cores.cpus_per_l2 * cores.cpus_per_l2;
  const int sharing = std::min(cores.cpus_per_l2, first + cores.logical - group);
  std::vector<Cache> caches;
  if (cores.l1_data_bytes > 0) caches.push_back({1, "Data", cores.l1_data_bytes, {cpu}});
  if (cores.l1_instruction_bytes > 0) caches.push_back({1, "Instruction", cores.l1_instruction_bytes, {cpu}});
  if (cores.l2_bytes > 0) caches.push_back({2, "Unified", cores.l2_bytes, cpus_from(group, sharing)});
  return caches;
}

}  // namespace

std::vector<Cache> caches_of(const SystemFiles& files, int cpu) {
  if (const auto levels = apple::perf_levels(files); !levels.empty()) return apple_caches(levels, cpu);
  std::vector<Cache> caches;
  const auto folder = cpu_folder(cpu) + "/cache/";
  for (const auto& entry : files.entries(folder)) {
    if (!entry.starts_with("index")) continue;
    const auto level = read_integer(files, folder + entry + "/level");
    const auto size = files.read(folder + entry + "/size");
    const auto bytes = size ? parse_cache_size(*size) : std::nullopt;
    if (!level || !bytes) continue;
    auto sharing = parse_cpu_list(files.read(folder + entry + "/shared_cpu_list").value_or(""));
    if (sharing.empty()) sharing = {cpu};
    caches.push_back({static_cast<int>(*level), files.read(folder + entry + "/type").value_or(kNotReadable),
                      *bytes, std::move(sharing)});
  }
  std::sort(caches.begin(), caches.end(), [](const Cache& a, const Cache& b) {
    return std::tie(a.level, a.type) < std::tie(b.level, b.type);
  });
  return caches;
}

std::optional<std::int64_t> cache_bytes(const SystemFiles& files, const std::vector<int>& cpus, int level) {
  std::set<std::vector<int>> seen;
  std::int64_t total = 0;
  for (const int cpu : cpus) {
    for (const auto& cache : caches_of(files, cpu)) {
      if (cache.level == level && cache.type != "Instruction" && seen.insert(cache.cpus).second)
        total += cache.bytes;
    }
  }
  if (total == 0) return std::nullopt;
  return total;
}

std::optional<std::int64_t> last_level_cache_bytes(const SystemFiles& files, const std::vector<int>& cpus) {
  int last = 0;
  for (const int cpu : cpus) {
    for (const auto& cache : caches_of(files, cpu)) last = std::max(last, cache.level);
  }
  return cache_bytes(files, cpus, last);
}

std::int64_t assumed_cache_bytes(const SystemFiles& files) {
  constexpr std::int64_t kSystemLevelCache = std::int64_t{96} << 20;
  return apple::perf_levels(files).empty() ? 0 : kSystemLevelCache;
}

std::vector<int> online_cpus(const SystemFiles& files) {
  if (const auto levels = apple::perf_levels(files); !levels.empty()) {
    int all = 0;
    for (const auto& level : levels) all += level.logical;
    return cpus_from(0, all);
  }
  return parse_cpu_list(files.read("/sys/devices/system/cpu/online").value_or(""));
}

std::pair<std::int64_t, std::int64_t> core_of(const SystemFiles& files, int cpu) {
  const auto part = [&](const char* name, std::int64_t otherwise) {
    return read_integer(files, fmt::format("{}/topology/{}", cpu_folder(cpu), name)).value_or(otherwise);
  };
  return {part("physical_package_id", 0), part("core_id", cpu)};
}

bool is_fastest_kind(const SystemFiles& files, int cpu) {
  const auto levels = apple::perf_levels(files);
  return levels.empty() || apple::level_of(levels, cpu) == 0;
}

std::optional<Cores> cores_of(const SystemFiles& files, const std::vector<int>& cpus) {
  if (const auto levels = apple::perf_levels(files); !levels.empty()) {
    int physical = 0;
    for (const auto& level : levels) physical += level.physical;
    return Cores{1, physical};
  }
  std::set<std::int64_t> packages;
  std::set<std::pair<std::int64_t, std::int64_t>> cores;
  for (const int cpu : cpus) {
    const auto package = read_integer(files, cpu_folder(cpu) + "/topology/physical_package_id");
    const auto core = read_integer(files, cpu_folder(cpu) + "/topology/core_id");
    if (!package || !core) return std::nullopt;
    packages.insert(*package);
    cores.emplace(*package, *core);
  }
  if (cores.empty()) return std::nullopt;
  return Cores{static_cast<int>(packages.size()), static_cast<int>(cores.size())};
}

std::vector<NumaNode> numa_nodes(const SystemFiles& files) {
  std::vector<NumaNode> nodes;
  const std::string folder = "/sys/devices/system/node/";
  for (const auto& entry : files.entries(folder)) {
    if (!entry.starts_with("node")) continue;
    const auto number = parse_integer(std::string_view(entry).substr(4));
    if (!number) continue;
    nodes.push_back(
        {static_cast<int>(*number), parse_cpu_list(files.read(folder + entry + "/cpulist").value_or(""))});
  }
  std::sort(nodes.begin(), nodes.end(), [](const NumaNode& a, const NumaNode& b) { return a.node < b.node; });
  return nodes;
}

}  // namespace attnbench
