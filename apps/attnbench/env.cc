#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "attnbench/cpu_device.h"
#include "command.h"
#include "commands.h"
#include "core/parallel.h"
#include "core/utc.h"
#include "io/json.h"
#include "report/text_width.h"
#include "run/ceilings/ceilings.h"
#include "run/environment/advice.h"
#include "run/environment/environment.h"
#include "run/environment/identity.h"
#include "run/noise/noise.h"
#include "run/noise/observe_noise.h"
#include "run/noise/thresholds.h"
#include "terminal.h"

namespace attnbench {
namespace {

using nlohmann::json;

struct Options {
  bool as_json = false;
  bool no_ceilings = false;
  int threads = 0;
};

struct Live {
  json noise;
  std::optional<Ceilings> ceilings;
};

Live measure_live(const CpuDevice& device, bool with_ceilings) {
  constexpr double kSentinelSeconds = 1;
  Live live;
  live.noise = observe_noise(device, kSentinelSeconds, [&] {
    if (with_ceilings) live.ceilings = device.ceilings();
  });
  return live;
}

/// Strings without quotes, lists joined, "-" for nothing.
std::string to_text(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_structured()) return value.dump();
  std::vector<std::string> parts;
  for (const auto& [key, item] : value.items())
    parts.push_back(value.is_object() ? fmt::format("{}={}", key, to_text(item)) : to_text(item));
  return parts.empty() ? "-" : fmt::format("{}", fmt::join(parts, " "));
}

void print_row(std::string_view label, std::string_view text) {
  print_line(fmt::format("  {:<20} {}", label, text));
}

std::string bytes_text(double bytes) {
  if (bytes >= 0x1p30) return fmt::format("{:.1f} GiB", bytes * 0x1p-30);
  if (bytes >= 0x1p20) return fmt::format("{:g} MiB", bytes * 0x1p-20);
  return fmt::format("{:g} KiB", bytes * 0x1p-10);
}

std::string share_text(const json& noise, const char* field, double limit) {
  const auto& value = noise.at(field);
  if (!value.is_number()) return to_text(value);
  return fmt::format("{:.2f} % (limit {:g} %)", 100 * value.get<double>(), 100 * limit);
}

void print_cpu(const json& cpu) {
  fmt::print("CPU\n");
  print_row("model", fmt::format("{} ({}, family {}, model {}, stepping {})", to_text(cpu["model"]),
                                 to_text(cpu["vendor"]), to_text(cpu["family"]), to_text(cpu["model_number"]),
                                 to_text(cpu["stepping"])));
  print_row("instruction sets", to_text(cpu["features"]));
  print_row("flags", to_text(cpu["flags"]));
  print_row("cores",
            fmt::format("{} physical, {} logical, {} packages; SMT {}; allowed CPUs {}",
                        to_text(cpu["physical_cores"]), to_text(cpu["logical_cpus"]),
                        to_text(cpu["packages"]), to_text(cpu["smt"]), to_text(cpu["allowed_cpus"])));
  if (!cpu["caches"].is_array()) print_row("caches", to_text(cpu["caches"]));
  for (const auto& cache : cpu["caches"]) {
    if (!cache.is_object()) continue;
    print_row(fmt::format("L{} {}", to_text(cache["level"]), to_text(cache["type"])),
              fmt::format("{}, shared by CPUs {}", bytes_text(cache["bytes"].get<double>()),
                          to_text(cache["cpus"])));
  }
  if (!cpu["numa_nodes"].is_array()) print_row("NUMA", to_text(cpu["numa_nodes"]));
  for (const auto& node : cpu["numa_nodes"]) {
    if (node.is_object())
      print_row(fmt::format("NUMA node {}", to_text(node["node"])), "CPUs " + to_text(node["cpus"]));
  }
  if (cpu.contains("core_kinds")) {
    for (const auto& kind : cpu["core_kinds"]) {
      print_row(to_text(kind["name"]) + " cores",
                fmt::format("{}, L2 {} for {} CPUs each", to_text(kind["physical_cores"]),
                            bytes_text(kind["l2_bytes"].get<double>()), to_text(kind["cpus_per_l2"])));
    }
  }
  print_row("governor", to_text(cpu["governor"]));
  print_row("hypervisor", to_text(cpu["hypervisor"]));
}

void print_system(const json& environment) {
  const auto& memory = environment["memory"];
  const auto& total = memory["total_bytes"];
  fmt::print("\nSystem\n");
  print_row("memory", total.is_number() ? bytes_text(total.get<double>()) : to_text(total));
  if (memory.contains("page_bytes")) print_row("page", bytes_text(memory["page_bytes"].get<double>()));
  print_row("huge pages", to_text(memory["transparent_huge_pages"]));
  print_row("system", to_text(environment["os"]["name"]));
  print_row("kernel", to_text(environment["os"]["kernel"]));
  fmt::print("\nBuild\n");
  for (const auto& [key, value] : environment["build"].items()) print_row(key, to_text(value));
  for (const auto& [key, value] : environment["libraries"].items()) print_row(key, to_text(value));
  print_row("OpenMP runtimes", to_text(environment["openmp"]["runtimes"]));
  print_row("OpenMP variables", to_text(environment["openmp"]["variables"]));
}

void print_noise(const json& noise) {
  const auto number = [&](const char* field, std::string_view unit) {
    const auto& value = noise.at(field);
    return value.is_number() ? fmt::format("{:.4g}{}", value.get<double>(), unit) : to_text(value);
  };
  fmt::print("\nNoise over {}, all threads at work\n", number("wall_seconds", " s"));
  print_row("steal", share_text(noise, "steal_share", thresholds::kStealShare));
  print_row("pressure (PSI some)", share_text(noise, "pressure_share", thresholds::kPressureShare));
  print_row("throttled periods", number("throttled_periods", " (limit 0)"));
  if (noise.contains("sentinel_drift"))
    print_row("sentinel drift", share_text(noise, "sentinel_drift", thresholds::kSentinelDrift));
  print_row("switches", fmt::format("{} involuntary, {} voluntary", number("involuntary_switches", ""),
                                    number("voluntary_switches", "")));
  print_row("other processes", number("others_cpu_seconds", " s on these CPUs"));
  if (noise.contains("thermal_state")) print_row("thermal state", to_text(noise["thermal_state"]));
  if (noise.contains("low_power_mode"))
    print_row("low power mode", noise["low_power_mode"] == true ? "on" : "off");
  if (noise.contains("efficiency_core_share"))
    print_row("efficiency cores",
              fmt::format("{:.1f} % of the CPU time", 100 * noise["efficiency_core_share"].get<double>()));
  print_row("clock",
            fmt::format("{} to {}", number("clock_mhz_start", " MHz"), number("clock_mhz_end", " MHz")));
}

void print_ceilings(const Ceilings& ceilings, const std::optional<std::string>& disturbance) {
  fmt::print("\nMeasured ceilings, {} thread{}\n", ceilings.threads, ceilings.threads == 1 ? "" : "s");
  for (const auto& c : ceilings.compute) {
    print_row(fmt::format("{} {}", c.path, c.unit),
              fmt::format("{:9.1f} GFLOP/s from {}", c.flops_per_second * 1e-9, name(c.dtype)));
  }
  for (const auto& b : ceilings.bandwidth) {
    print_row(bytes_text(static_cast<double>(b.bytes)),
              fmt::format("{:9.1f} GB/s read, {:.1f} GB/s copy (read + written)",
                          b.read_bytes_per_second * 1e-9, b.copy_bytes_per_second * 1e-9));
  }
  if (disturbance) print_row("disturbed", *disturbance + ": not to be relied on");
}

void print_advice(const std::vector<Advice>& advice) {
  fmt::print("\nAdvice\n");
  for (const auto& item : advice) print_row(name(item.kind), item.text);
  if (advice.empty()) print_row("none", "nothing seen that would disturb a measurement");
}

void run_env(const Options& options) {
  const auto device = cpu_device(options.threads);
  require_threads(device.threads, most_threads());
  const auto environment = probe_environment(built_commit());
  const auto [noise, ceilings] = measure_live(device, !options.no_ceilings);
  const auto advice = advise(environment, noise);
  if (options.as_json) {
    auto advice_list = json::array();
    for (const auto& item : advice) advice_list.push_back({{"kind", name(item.kind)}, {"text", item.text}});
    json page = {{"environment", environment},
                 {"machine_key", machine_key()},
                 {"measured_utc", now_utc()},
                 {"threads", device.threads},
                 {"noise", noise},
                 {"thresholds", thresholds::to_json()},
                 {"advice", advice_list}};
    if (ceilings) page["ceilings"] = to_json(*ceilings);
    fmt::print("{}\n", page.dump(2));
    return;
  }
  fmt::print("Machine {}\n\n", machine_key());
  print_cpu(environment["cpu"]);
  print_system(environment);
  print_noise(noise);
  if (ceilings) print_ceilings(*ceilings, reject_reason(noise));
  print_advice(advice);
}

}  // namespace

void add_env_command(CLI::App& app, int& exit_code) {
  Command command(
      app, "env",
      "Show this machine: CPU, caches, system, libraries, noise now, measured ceilings, and advice");
  command.footer(
      "Examples:\n  attnbench env\n  attnbench env --threads 1 --no-ceilings\n  attnbench env --json");
  const auto options = std::make_shared<Options>();
  command.add_flag("--json", options->as_json, "Print the results as JSON");
  command.add_option("--threads", options->threads, "Threads at work; 0 is one for each physical core")
      .range(0, 65535)
      .capture_default_str();
  command.add_flag("--no-ceilings", options->no_ceilings, "Leave out the ceilings (about three seconds)");
  command.callback([options, &exit_code] {
    run_env(*options);
    exit_code = kDone;
  });
}

}  // namespace attnbench
