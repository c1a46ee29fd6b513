#include "run/environment/page.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <nlohmann/json.hpp>
#include <string_view>
#include <utility>

#include "run/environment/private_names.h"
#include "run/noise/noise.h"
#include "run/noise/thresholds.h"

namespace attnbench {
namespace {

using nlohmann::json;

/// Strings without quotes, lists joined, "-" for nothing.
std::string to_text(const json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_structured()) return value.dump();
  std::vector<std::string> parts;
  for (const auto& [key, item] : value.items())
    parts.push_back(value.is_object() ? fmt::format("{}={}", key, to_text(item)) : to_text(item));
  return parts.empty() ? "-" : fmt::format("{}", fmt::join(parts, " "));
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

/// Rows below headings.
class Page {
 public:
  void heading(std::string_view text) {
    if (!text_.empty()) text_ += '\n';
    text_ += text;
    text_ += '\n';
  }
  void row(std::string_view label, std::string_view text) {
    text_ += fmt::format("  {:<20} {}\n", label, text);
  }
  std::string text() && { return std::move(text_); }

 private:
  std::string text_;
};

void add_cpu(Page& page, const json& cpu) {
  page.heading("CPU");
  page.row("model", fmt::format("{} ({}, family {}, model {}, stepping {})", to_text(cpu.at("model")),
                                to_text(cpu.at("vendor")), to_text(cpu.at("family")),
                                to_text(cpu.at("model_number")), to_text(cpu.at("stepping"))));
  page.row("instruction sets", to_text(cpu.at("features")));
  page.row("flags", to_text(cpu.at("flags")));
  page.row("cores",
           fmt::format("{} physical, {} logical, {} packages; SMT {}; allowed CPUs {}",
                       to_text(cpu.at("physical_cores")), to_text(cpu.at("logical_cpus")),
                       to_text(cpu.at("packages")), to_text(cpu.at("smt")), to_text(cpu.at("allowed_cpus"))));
  if (!cpu.at("caches").is_array()) page.row("caches", to_text(cpu.at("caches")));
  for (const auto& cache : cpu.at("caches")) {
    if (!cache.is_object()) continue;
    page.row(fmt::format("L{} {}", to_text(cache.at("level")), to_text(cache.at("type"))),
             fmt::format("{}, shared by CPUs {}", bytes_text(cache.at("bytes").get<double>()),
                         to_text(cache.at("cpus"))));
  }
  if (!cpu.at("numa_nodes").is_array()) page.row("NUMA", to_text(cpu.at("numa_nodes")));
  for (const auto& node : cpu.at("numa_nodes")) {
    if (node.is_object())
      page.row(fmt::format("NUMA node {}", to_text(node.at("node"))), "CPUs " + to_text(node.at("cpus")));
  }
  if (cpu.contains("core_kinds")) {
    for (const auto& kind : cpu.at("core_kinds")) {
      page.row(to_text(kind.at("name")) + " cores",
               fmt::format("{}, L2 {} for {} CPUs each", to_text(kind.at("physical_cores")),
                           bytes_text(kind.at("l2_bytes").get<double>()), to_text(kind.at("cpus_per_l2"))));
    }
  }
  page.row("governor", to_text(cpu.at("governor")));
  page.row("turbo", to_text(cpu.at("turbo")));
  page.row("hypervisor", to_text(cpu.at("hypervisor")));
}

void add_system(Page& page, const json& environment) {
  const auto& memory = environment.at("memory");
  const auto& total = memory.at("total_bytes");
  page.heading("System");
  page.row("memory", total.is_number() ? bytes_text(total.get<double>()) : to_text(total));
  if (memory.contains("page_bytes")) page.row("page", bytes_text(memory.at("page_bytes").get<double>()));
  page.row("huge pages", to_text(memory.at("transparent_huge_pages")));
  page.row("system", to_text(environment.at("os").at("name")));
  page.row("kernel", to_text(environment.at("os").at("kernel")));
  page.heading("Build");
  for (const auto& [key, value] : environment.at("build").items()) page.row(key, to_text(value));
  for (const auto& [key, value] : environment.at("libraries").items()) page.row(key, to_text(value));
  page.row("OpenMP runtimes", to_text(environment.at("openmp").at("runtimes")));
  page.row("OpenMP variables", to_text(environment.at("openmp").at("variables")));
}

void add_noise(Page& page, const json& noise) {
  const auto number = [&](const char* field, std::string_view unit) {
    const auto& value = noise.at(field);
    return value.is_number() ? fmt::format("{:.4g}{}", value.get<double>(), unit) : to_text(value);
  };
  const auto percent = [&](const char* field) {
    const auto& value = noise.at(field);
    return value.is_number() ? fmt::format("{:.2f} %", 100 * value.get<double>()) : to_text(value);
  };
  page.heading(fmt::format("Noise over {}, all threads at work", number("wall_seconds", " s")));
  page.row("steal", share_text(noise, "steal_share", thresholds::kStealShare));
  page.row("pressure (PSI some)", percent("pressure_share"));
  if (const auto pressure = pressure_of_others(noise))
    page.row("of it by others", fmt::format("{:.2f} % at most (limit {:g} %)", 100 * *pressure,
                                            100 * thresholds::kPressureShare));
  page.row("throttled periods", number("throttled_periods", " (limit 0)"));
  if (noise.contains("sentinel_drift"))
    page.row("sentinel drift", share_text(noise, "sentinel_drift", thresholds::kSentinelDrift));
  page.row("switches", fmt::format("{} involuntary, {} voluntary", number("involuntary_switches", ""),
                                   number("voluntary_switches", "")));
  page.row("other processes", number("others_cpu_seconds", " s on these CPUs"));
  if (noise.contains("thermal_state")) page.row("thermal state", to_text(noise.at("thermal_state")));
  if (noise.contains("low_power_mode"))
    page.row("low power mode", noise.at("low_power_mode") == true ? "on" : "off");
  if (noise.contains("efficiency_core_share"))
    page.row("efficiency cores",
             fmt::format("{:.1f} % of the CPU time", 100 * noise.at("efficiency_core_share").get<double>()));
  page.row("clock",
           fmt::format("{} to {}", number("clock_mhz_start", " MHz"), number("clock_mhz_end", " MHz")));
}

void add_engines(Page& page, const json& engines) {
  page.heading("Engines");
  for (const auto& [engine, kernels] : engines.at("kernels").items())
    page.row(engine, fmt::format("{} kernels", to_text(kernels)));
  for (const auto& [dtype, paths] : engines.at("paths").items())
    page.row(fmt::format("paths for {}", dtype), to_text(paths));
  page.row("devices", to_text(engines.at("devices")));
  for (const auto& why : engines.at("missing_devices")) page.row("no device of", to_text(why));
  for (const auto& missing : engines.at("missing_engines"))
    page.row(to_text(missing.at("engine")), "not built: " + to_text(missing.at("reason")));
}

}  // namespace

std::string machine_page(const json& environment, const json& noise) {
  Page page;
  add_cpu(page, environment.at("cpu"));
  add_system(page, environment);
  add_noise(page, noise);
  return std::move(page).text();
}

std::string ceilings_page(const Ceilings& ceilings, const std::optional<std::string>& disturbance) {
  Page page;
  page.heading(
      fmt::format("Measured ceilings, {} thread{}", ceilings.threads, ceilings.threads == 1 ? "" : "s"));
  for (const auto& c : ceilings.compute) {
    page.row(fmt::format("{} {}", c.path, c.unit),
             fmt::format("{:9.1f} GFLOP/s from {}", c.flops_per_second * 1e-9, name(c.dtype)));
  }
  for (const auto& b : ceilings.bandwidth) {
    page.row(bytes_text(static_cast<double>(b.bytes)),
             fmt::format("{:9.1f} GB/s read, {:.1f} GB/s copy (read + written)",
                         b.read_bytes_per_second * 1e-9, b.copy_bytes_per_second * 1e-9));
  }
  if (disturbance) page.row("disturbed", *disturbance + ": not to be relied on");
  return std::move(page).text();
}

std::string advice_page(const std::vector<Advice>& advice) {
  Page page;
  page.heading("Advice");
  for (const auto& item : advice) page.row(name(item.kind), item.text);
  if (advice.empty()) page.row("none", "nothing seen that would disturb a measurement");
  return std::move(page).text();
}

std::string issue_page(const std::string& machine_key, const json& environment, const json& noise,
                       const json& engines, const std::vector<std::string>& names) {
  Page page;
  add_engines(page, engines);
  const auto facts = fmt::format("Machine {}\n\n{}\n{}", machine_key, machine_page(environment, noise),
                                 std::move(page).text());
  return fmt::format(
      "```\n{}```\nCeilings are not measured for this text. To send a store with it: tools/pack_store.sh "
      "STORE\n",
      without_names(facts, names));
}

}  // namespace attnbench
