#include "run/environment/environment.h"

#include <fmt/format.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/registry.h"
#include "core/cpu_list.h"
#include "core/parallel.h"
#include "core/system/apple_values.h"
#include "core/system/host.h"
#include "core/system/parse.h"
#include "core/system/topology.h"
#include "run/environment/executable.h"
#include "run/environment/libraries.h"

extern char** environ;  // macOS declares it nowhere

namespace attnbench {
namespace {

using nlohmann::json;

template <typename T>
json or_not_readable(const std::optional<T>& value) {
  return value ? json(*value) : json(kNotReadable);
}

json text_or_not_readable(const std::string& text) { return text.empty() ? json(kNotReadable) : json(text); }

/// Flags that kernels or this tool's advice depend on.
std::vector<std::string> flags_that_matter(const CpuInfo& cpu) {
  std::vector<std::string> found;
  for (const auto* flag :
       {"sse4_2",   "avx",          "f16c",      "fma",        "avx2",         "avx512f",     "avx512dq",
        "avx512cd", "avx512bw",     "avx512vl",  "avx_vnni",   "avx512_vnni",  "avx512_bf16", "avx512_fp16",
        "amx_tile", "amx_bf16",     "amx_int8",  "amx_fp16",   "asimd",        "asimdhp",     "asimdfhm",
        "bf16",     "sve",          "sve2",      "hypervisor", "constant_tsc", "nonstop_tsc", "FEAT_FP16",
        "FEAT_FHM", "FEAT_DotProd", "FEAT_BF16", "FEAT_I8MM",  "FEAT_SME",     "FEAT_SME2"}) {
    if (cpu.has(flag)) found.emplace_back(flag);
  }
  return found;
}

json smt_state(const SystemFiles& files) {
  const auto active = files.read("/sys/devices/system/cpu/smt/active");
  if (!active) return kNotReadable;
  return *active == "1" ? "on" : "off";
}

/// Whether the clock may rise above its nominal rate, as intel_pstate or another driver of Linux tells.
json turbo_state(const SystemFiles& files) {
  if (const auto no_turbo = files.read("/sys/devices/system/cpu/intel_pstate/no_turbo"))
    return *no_turbo == "0" ? "on" : "off";
  if (const auto boost = files.read("/sys/devices/system/cpu/cpufreq/boost"))
    return *boost == "1" ? "on" : "off";
  return kNotReadable;
}

json probe_caches(const SystemFiles& files, int cpu) {
  auto list = json::array();
  for (const auto& cache : caches_of(files, cpu)) {
    list.push_back({{"level", cache.level},
                    {"type", cache.type},
                    {"bytes", cache.bytes},
                    {"cpus", format_cpu_list(cache.cpus)}});
  }
  return list.empty() ? json(kNotReadable) : list;
}

json probe_numa(const SystemFiles& files) {
  auto list = json::array();
  for (const auto& node : numa_nodes(files))
    list.push_back({{"node", node.node}, {"cpus", format_cpu_list(node.cpus)}});
  return list.empty() ? json(kNotReadable) : list;
}

json hypervisor(const SystemFiles& files, const CpuInfo& cpu) {
  if (const auto guest = apple::number(files, "kern.hv_vmm_present"))
    return *guest == 1 ? "yes" : "none seen";
  if (cpu.logical_cpus == 0) return kNotReadable;
  return cpu.has("hypervisor") ? "yes" : "none seen";
}

/// Kinds of cores, the fastest first; empty where the system knows one kind.
json probe_core_kinds(const SystemFiles& files) {
  auto list = json::array();
  for (const auto& level : apple::perf_levels(files)) {
    list.push_back({{"name", level.name},
                    {"physical_cores", level.physical},
                    {"logical_cpus", level.logical},
                    {"l2_bytes", level.l2_bytes},
                    {"cpus_per_l2", level.cpus_per_l2}});
  }
  return list;
}

json probe_cpu(const SystemFiles& files) {
  const auto cpu = cpu_info(files);
  const bool known = cpu.logical_cpus > 0;
  const auto allowed = allowed_cpus();
  const auto online = online_cpus(files);
  const auto cores = cores_of(files, online);
  const auto logical = online.empty() ? cpu.logical_cpus : static_cast<int>(online.size());
  json found = {
      {"vendor", text_or_not_readable(cpu.vendor)},
      {"model", text_or_not_readable(cpu.model)},
      {"family", text_or_not_readable(cpu.family)},
      {"model_number", text_or_not_readable(cpu.model_number)},
      {"stepping", text_or_not_readable(cpu.stepping)},
      {"flags", known ? json(flags_that_matter(cpu)) : json(kNotReadable)},
      {"features", to_string(cpu_features())},
      {"packages", cores ? json(cores->packages) : json(kNotReadable)},
      {"physical_cores", cores ? json(cores->physical) : json(kNotReadable)},
      {"logical_cpus", logical > 0 ? json(logical) : json(kNotReadable)},
      {"allowed_cpus", format_cpu_list(allowed)},
      {"smt", smt_state(files)},
      {"governor", or_not_readable(files.read(fmt::format(
                       "/sys/devices/system/cpu/cpu{}/cpufreq/scaling_governor", allowed.front())))},
      {"turbo", turbo_state(files)},
      {"hypervisor", hypervisor(files, cpu)},
      {"caches", probe_caches(files, allowed.front())},
      {"numa_nodes", probe_numa(files)},
  };
  if (auto kinds = probe_core_kinds(files); !kinds.empty()) found["core_kinds"] = std::move(kinds);
  return found;
}

json probe_memory(const SystemFiles& files) {
  const auto huge_pages = files.read("/sys/kernel/mm/transparent_hugepage/enabled");
  json found = {
      {"total_bytes", or_not_readable(memory_bytes(files))},
      {"transparent_huge_pages", or_not_readable(selected_option(huge_pages.value_or("")))},
  };
  if (const auto bytes = apple::number(files, "hw.pagesize")) found["page_bytes"] = *bytes;
  return found;
}

json probe_os(const SystemFiles& files) {
  utsname names{};
  const bool known = uname(&names) == 0;
  return {{"name", or_not_readable(system_name(files))},
          {"kernel", known ? json(fmt::format("{} {} {}", names.sysname, names.release, names.machine))
                           : json(kNotReadable)}};
}

json absent_engines() {
  auto list = json::array();
  for (const auto& engine : missing_engines())
    list.push_back({{"engine", engine.name}, {"reason", engine.reason}});
  return list;
}

json probe_openmp(const SystemFiles& files) {
  std::vector<std::string> environment;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry)
    environment.emplace_back(*entry);
  const auto maps = files.read("/proc/self/maps");
  return {{"runtimes", maps ? json(openmp_runtimes(*maps)) : json(kNotReadable)},
          {"variables", threading_variables(environment)}};
}

}  // namespace

json probe_environment(const std::string& commit, const SystemFiles& files) {
  return {{"cpu", probe_cpu(files)},
          {"memory", probe_memory(files)},
          {"os", probe_os(files)},
          {"build",
           {{"version", ATTNBENCH_VERSION},
            {"commit", commit},
            {"compiler", ATTNBENCH_COMPILER},
            {"build_id", build_id()},
            {"pool", parallel_backend()}}},
          {"libraries", library_versions()},
          {"missing_engines", absent_engines()},
          {"openmp", probe_openmp(files)}};
}

}  // namespace attnbench
