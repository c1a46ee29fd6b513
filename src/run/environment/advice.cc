#include "run/environment/advice.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "core/cpu_list.h"
#include "core/names.h"
#include "core/system/parse.h"
#include "core/system/system_files.h"
#include "run/noise/apple_noise.h"
#include "run/noise/consumers.h"
#include "run/noise/noise.h"
#include "run/noise/thresholds.h"
#include "store/noise_flags.h"

namespace attnbench {
namespace {

using nlohmann::json;

constexpr NameTable<AdviceKind, 12> kKinds{{{AdviceKind::governor, "governor"},
                                            {AdviceKind::huge_pages, "huge pages"},
                                            {AdviceKind::pinning, "pinning"},
                                            {AdviceKind::smt, "SMT"},
                                            {AdviceKind::steal, "steal"},
                                            {AdviceKind::pressure, "pressure"},
                                            {AdviceKind::throttling, "throttling"},
                                            {AdviceKind::drift, "drift"},
                                            {AdviceKind::neighbours, "neighbours"},
                                            {AdviceKind::heat, "heat"},
                                            {AdviceKind::low_power, "low power mode"},
                                            {AdviceKind::cores, "cores"}}};

/// Advice only: shares of the CPU set that others used.
constexpr double kOthersShare = 0.05;

json at(const json& object, const char* pointer) {
  const json::json_pointer where(pointer);
  return object.contains(where) ? object.at(where) : json();
}

/// The text at a place, unless it is missing or not readable.
std::optional<std::string> text_at(const json& object, const char* pointer) {
  const auto value = at(object, pointer);
  if (!value.is_string() || value == kNotReadable) return std::nullopt;
  return value.get<std::string>();
}

double number_at(const json& object, const char* pointer) {
  const auto value = at(object, pointer);
  return value.is_number() ? value.get<double>() : 0.0;
}

void advise_on_pinning(const json& environment, std::vector<Advice>& advice) {
  if (const auto bind = text_at(environment, "/openmp/variables/OMP_PROC_BIND");
      bind && (*bind == "false" || *bind == "FALSE")) {
    advice.push_back({AdviceKind::pinning, "OMP_PROC_BIND=false lets threads wander: unset it"});
  }
  const auto allowed = parse_cpu_list(text_at(environment, "/cpu/allowed_cpus").value_or(""));
  int nodes_in_use = 0;
  int first_node = 0;
  for (const auto& node : at(environment, "/cpu/numa_nodes")) {
    if (!node.is_object()) continue;
    const auto cpus = parse_cpu_list(node.value("cpus", ""));
    const bool used =
        std::find_first_of(cpus.begin(), cpus.end(), allowed.begin(), allowed.end()) != cpus.end();
    if (used && nodes_in_use++ == 0) first_node = node.value("node", 0);
  }
  if (nodes_in_use > 1) {
    advice.push_back({AdviceKind::pinning,
                      fmt::format("the allowed CPUs span {} NUMA nodes, so memory may be remote: start with "
                                  "'numactl --cpunodebind={} --membind={}'",
                                  nodes_in_use, first_node, first_node)});
  }
}

/// What macOS alone tells.
void advise_on_mac(const json& noise, std::vector<Advice>& advice) {
  if (const auto reason = thermal_reject_reason(noise)) {
    advice.push_back({AdviceKind::heat, *reason + ": let the Mac cool, away from other heat, or measure "
                                                  "shorter runs (--budget)"});
  }
  if (at(noise, "/low_power_mode") == true) {
    advice.push_back({AdviceKind::low_power,
                      "Low Power Mode is on, which lowers the clock: System Settings > Battery > Low Power "
                      "Mode > Never, and connect the power adapter"});
  }
  if (const auto share = number_at(noise, "/efficiency_core_share"); share > kEfficiencyShare) {
    advice.push_back({AdviceKind::cores,
                      fmt::format("{:.1f} % of the CPU time was on efficiency cores: stop other work, or use "
                                  "no more --threads than there are performance cores",
                                  100 * share)});
  }
}

}  // namespace

std::string_view name(AdviceKind kind) { return name_in(kKinds, kind); }

std::vector<Advice> advise_on_noise(const json& noise) {
  std::vector<Advice> advice;
  const auto percent = [&](const char* field) { return 100 * number_at(noise, field); };
  if (number_at(noise, "/steal_share") > thresholds::kStealShare) {
    advice.push_back(
        {AdviceKind::steal,
         fmt::format("the hypervisor withheld {:.1f} % of the CPU time (limit {:g} %), for other "
                     "guests of the host: measure at another hour, or ask the provider for "
                     "dedicated CPUs or a dedicated host",
                     percent("/steal_share"), 100 * thresholds::kStealShare)});
  }
  if (const auto pressure = pressure_of_others(noise).value_or(0); pressure > thresholds::kPressureShare) {
    advice.push_back(
        {AdviceKind::pressure,
         fmt::format("some task waited for a CPU in {:.1f} % of the time (limit {:g} %): stop other "
                     "work, or use fewer --threads",
                     100 * pressure, 100 * thresholds::kPressureShare)});
  }
  if (number_at(noise, "/throttled_periods") > 0) {
    advice.push_back(
        {AdviceKind::throttling,
         fmt::format("the control group's CPU quota was used up in {:g} periods (limit 0): raise or "
                     "remove it (docker --cpus, Kubernetes limits), or use fewer --threads",
                     number_at(noise, "/throttled_periods"))});
  }
  if (number_at(noise, "/sentinel_drift") > thresholds::kSentinelDrift) {
    advice.push_back(
        {AdviceKind::drift,
         fmt::format("the same work took {:.1f} % longer at one time than at another (limit {:g} %): "
                     "the clock changes (heat, power, battery) or a neighbour comes and goes",
                     percent("/sentinel_drift"), 100 * thresholds::kSentinelDrift)});
  }
  advise_on_mac(noise, advice);
  const bool mac = noise.contains("thermal_state");  // which binds no process to a CPU
  const auto wall = number_at(noise, "/wall_seconds");
  const auto others = number_at(noise, "/others_cpu_seconds");
  const auto names = consumers_in_words(at(noise, "/consumers"));
  if (wall > 0 && others / wall > kOthersShare) {
    advice.push_back({AdviceKind::neighbours,
                      fmt::format("other processes used these CPUs for {:.2f} s of {:.2f} s{}: stop them{}",
                                  others, wall, names.empty() ? "" : fmt::format(" (busiest: {})", names),
                                  mac ? "" : ", or move them to other CPUs (taskset -c)")});
  } else if (!names.empty() && !advice.empty()) {
    advice.push_back({AdviceKind::neighbours, fmt::format("the busiest other processes: {}", names)});
  }
  return advice;
}

std::vector<Advice> advise(const json& environment, const json& noise) {
  std::vector<Advice> advice;
  if (const auto governor = text_at(environment, "/cpu/governor"); governor && *governor != "performance") {
    advice.push_back({AdviceKind::governor,
                      fmt::format("the governor is '{}', so the clock follows the load: 'sudo cpupower "
                                  "frequency-set -g performance'",
                                  *governor)});
  }
  if (const auto pages = text_at(environment, "/memory/transparent_huge_pages");
      pages && *pages != "always") {
    advice.push_back({AdviceKind::huge_pages,
                      fmt::format("transparent huge pages are '{}', so long sequences pay for address "
                                  "translation: 'echo always | sudo tee "
                                  "/sys/kernel/mm/transparent_hugepage/enabled'",
                                  *pages)});
  }
  advise_on_pinning(environment, advice);
  if (text_at(environment, "/cpu/smt") == "on") {
    advice.push_back(
        {AdviceKind::smt,
         "two hardware threads share a core: keep the siblings idle or switch SMT off ('echo off "
         "| sudo tee /sys/devices/system/cpu/smt/control'), and measure one thread a core"});
  }
  const auto of_noise = advise_on_noise(noise);
  advice.insert(advice.end(), of_noise.begin(), of_noise.end());
  return advice;
}

}  // namespace attnbench
