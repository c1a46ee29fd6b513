#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/system/system_files.h"

namespace attnbench {

/// One cache as one CPU sees it.
struct Cache {
  int level = 0;
  std::string type;  ///< Data, Instruction, Unified
  std::int64_t bytes = 0;
  std::vector<int> cpus;  ///< those that share it
};
/// By rising level; empty where the system does not tell.
std::vector<Cache> caches_of(const SystemFiles& files, int cpu);

/// Sum over the distinct highest-level caches that these CPUs use.
std::optional<std::int64_t> last_level_cache_bytes(const SystemFiles& files, const std::vector<int>& cpus);
/// Sum over the distinct data and unified caches of that level that these CPUs use.
std::optional<std::int64_t> cache_bytes(const SystemFiles& files, const std::vector<int>& cpus, int level);

/// Of a cache behind those told that the system keeps to itself, bytes; 0 where it tells all. On Apple
/// Silicon 96 MiB are assumed for the system-level cache, more than any is said to have.
std::int64_t assumed_cache_bytes(const SystemFiles& files);

/// CPUs in use by the system; empty where it does not tell.
std::vector<int> online_cpus(const SystemFiles& files);

/// Package and core of a CPU; 0 and the CPU itself where the system does not tell.
std::pair<std::int64_t, std::int64_t> core_of(const SystemFiles& files, int cpu);
/// Whether it is a performance core, where the system tells kinds of cores apart; else true.
bool is_fastest_kind(const SystemFiles& files, int cpu);

struct Cores {
  int packages = 0;
  int physical = 0;
};
/// Distinct packages and cores of the CPUs; empty where the system does not tell.
std::optional<Cores> cores_of(const SystemFiles& files, const std::vector<int>& cpus);

struct NumaNode {
  int node = 0;
  std::vector<int> cpus;
};
std::vector<NumaNode> numa_nodes(const SystemFiles& files);

}  // namespace attnbench
