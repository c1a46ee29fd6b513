#include "run/noise/noise.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>

#include "core/system/parse.h"
#include "run/environment/control_groups.h"
#include "run/noise/thresholds.h"
#include "stats/intervals.h"

namespace attnbench {
namespace {

using nlohmann::json;

double to_seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
}

std::optional<double> cpufreq_mhz(const SystemFiles& files, const std::vector<int>& cpus) {
  double sum = 0;
  for (const int cpu : cpus) {
    const auto text = files.read(fmt::format("/sys/devices/system/cpu/cpu{}/cpufreq/scaling_cur_freq", cpu));
    const auto kilohertz = text ? parse_integer(*text) : std::nullopt;
    if (!kilohertz) return std::nullopt;
    sum += static_cast<double>(*kilohertz) * 1e-3;
  }
  if (cpus.empty()) return std::nullopt;
  return sum / static_cast<double>(cpus.size());
}

std::optional<Throttling> probe_throttling(const SystemFiles& files) {
  std::optional<Throttling> total;
  for (const auto& folder : control_group_folders(files.read("/proc/self/cgroup").value_or(""), "cpu")) {
    const auto one = parse_throttling(files.read(folder + "/cpu.stat").value_or(""));
    if (!one) continue;
    if (!total) total = Throttling{};
    total->periods += one->periods;
    total->seconds += one->seconds;
  }
  return total;
}

json number(const std::optional<double>& value) { return value ? json(*value) : json(kNotReadable); }

std::optional<double> elapsed(const std::optional<double>& start, const std::optional<double>& end) {
  if (!start || !end) return std::nullopt;
  return *end - *start;
}

std::optional<double> share(const std::optional<double>& part, double whole) {
  // One clock tick: below it /proc/stat and getrusage cannot be compared.
  constexpr double kLeastSeconds = 0.01;
  if (!part) return std::nullopt;
  return *part / std::max(whole, kLeastSeconds);
}

std::optional<double> value_at(const json& noise, const char* field) {
  if (!noise.contains(field) || !noise.at(field).is_number()) return std::nullopt;
  return noise.at(field).get<double>();
}

}  // namespace

NoiseProbe probe_noise(const std::vector<int>& cpus, const SystemFiles& files) {
  NoiseProbe probe;
  probe.wall_seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
  for (const auto who : {RUSAGE_SELF, RUSAGE_CHILDREN}) {
    rusage usage{};
    if (getrusage(who, &usage) != 0) continue;
    probe.cpu_seconds += to_seconds(usage.ru_utime) + to_seconds(usage.ru_stime);
    probe.voluntary_switches += usage.ru_nvcsw;
    probe.involuntary_switches += usage.ru_nivcsw;
  }
  if (const auto ticks = parse_cpu_ticks(files.read("/proc/stat").value_or(""), cpus)) {
    const auto ticks_per_second = static_cast<double>(sysconf(_SC_CLK_TCK));
    probe.busy_seconds = static_cast<double>(ticks->busy) / ticks_per_second;
    probe.steal_seconds = static_cast<double>(ticks->steal) / ticks_per_second;
  }
  if (const auto total = parse_pressure_some(files.read("/proc/pressure/cpu").value_or("")))
    probe.pressure_seconds = static_cast<double>(*total) * 1e-6;
  probe.throttling = probe_throttling(files);
  probe.clock_mhz = cpufreq_mhz(files, cpus);
  if (!probe.clock_mhz) probe.clock_mhz = parse_clock_mhz(files.read("/proc/cpuinfo").value_or(""), cpus);
  probe.apple = probe_apple(files);
  if (probe.apple.busy_seconds) probe.busy_seconds = probe.apple.busy_seconds;
  return probe;
}

json difference(const NoiseProbe& start, const NoiseProbe& end) {
  const double wall = end.wall_seconds - start.wall_seconds;
  const double cpu = end.cpu_seconds - start.cpu_seconds;
  const auto busy = elapsed(start.busy_seconds, end.busy_seconds);
  const auto steal = elapsed(start.steal_seconds, end.steal_seconds);
  const auto pressure = elapsed(start.pressure_seconds, end.pressure_seconds);
  const auto involuntary = end.involuntary_switches - start.involuntary_switches;
  const bool throttling = start.throttling && end.throttling;
  json noise = {
      {"wall_seconds", wall},
      {"cpu_seconds", cpu},
      {"steal_seconds", number(steal)},
      {"steal_share", number(share(steal, cpu))},
      {"pressure_seconds", number(pressure)},
      {"pressure_share", number(share(pressure, wall))},
      {"others_cpu_seconds", busy ? json(std::max(0.0, *busy - cpu)) : json(kNotReadable)},
      {"voluntary_switches", end.voluntary_switches - start.voluntary_switches},
      {"involuntary_switches", involuntary},
      {"involuntary_switches_per_second", number(share(static_cast<double>(involuntary), wall))},
      {"throttled_periods",
       throttling ? json(end.throttling->periods - start.throttling->periods) : json(kNotReadable)},
      {"throttled_seconds",
       throttling ? json(end.throttling->seconds - start.throttling->seconds) : json(kNotReadable)},
      {"clock_mhz_start", number(start.clock_mhz)},
      {"clock_mhz_end", number(end.clock_mhz)},
  };
  add_apple_difference(start.apple, end.apple, noise);
  return noise;
}

std::optional<double> sentinel_drift(std::span<const double> seconds) {
  const auto third = seconds.size() / 3;
  if (third == 0) return std::nullopt;
  const auto first = stats::median(seconds.first(third));
  const auto last = stats::median(seconds.last(third));
  return std::max(first, last) / std::min(first, last) - 1;
}

std::optional<double> pressure_of_others(const json& noise) {
  const auto pressure = value_at(noise, "pressure_share");
  const auto others = value_at(noise, "others_cpu_seconds");
  const auto wall = value_at(noise, "wall_seconds");
  return pressure && others && wall ? std::min(*pressure, *share(others, *wall)) : pressure;
}

std::optional<std::string> reject_reason(const json& noise) {
  const auto value_of = [&](const char* field) { return value_at(noise, field); };
  struct Rule {
    std::optional<double> value;
    double threshold;
    const char* text;
  };
  const Rule percent_rules[] = {
      {value_of("steal_share"), thresholds::kStealShare, "steal {:.1f} % of its CPU time (limit {:g} %)"},
      {pressure_of_others(noise), thresholds::kPressureShare,
       "CPU pressure {:.1f} % of the time (limit {:g} %)"},
      {value_of("sentinel_drift"), thresholds::kSentinelDrift, "sentinel drifted by {:.1f} % (limit {:g} %)"},
  };
  std::vector<std::string> reasons;
  for (const auto& rule : percent_rules) {
    if (rule.value && *rule.value > rule.threshold)
      reasons.push_back(fmt::format(fmt::runtime(rule.text), 100 * *rule.value, 100 * rule.threshold));
  }
  if (const auto periods = value_of("throttled_periods"); periods && *periods > 0)
    reasons.push_back(fmt::format("control group throttled in {:g} periods (limit 0)", *periods));
  if (const auto reason = thermal_reject_reason(noise)) reasons.push_back(*reason);
  if (reasons.empty()) return std::nullopt;
  return fmt::format("{}", fmt::join(reasons, "; "));
}

void share_turns(std::span<json* const> noises) {
  double all = 0;
  for (const auto* noise : noises) all += noise->at("cpu_seconds").get<double>();
  for (auto* noise : noises) {
    const double own = noise->at("cpu_seconds").get<double>();
    if (const auto& steal = noise->at("steal_seconds"); steal.is_number() && all > 0)
      (*noise)["steal_share"] = steal.get<double>() / all;
    if (const auto& others = noise->at("others_cpu_seconds"); others.is_number())
      (*noise)["others_cpu_seconds"] = std::max(0.0, others.get<double>() - (all - own));
  }
}

}  // namespace attnbench
