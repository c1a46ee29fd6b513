#include "run/noise/apple_noise.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <nlohmann/json.hpp>
#include <string_view>

#include "core/system/apple_values.h"
#include "core/system/parse.h"
#include "run/noise/thresholds.h"

namespace attnbench {
namespace {

using nlohmann::json;

/// Of lines "cpuN USER SYSTEM IDLE NICE" in ticks of 1/100 s; nothing unless every line is one.
std::optional<double> busy_seconds(std::string_view text) {
  constexpr double kTicksPerSecond = 100;
  std::int64_t busy = 0;
  std::size_t cpus = 0;
  for (const auto line : split_lines(text)) {
    const auto words = split_words(line);
    if (words.size() != 5 || !words[0].starts_with("cpu")) return std::nullopt;
    for (const std::size_t column : {std::size_t{1}, std::size_t{2}, std::size_t{4}}) {
      const auto ticks = parse_integer(words[column]);
      if (!ticks || *ticks < 0) return std::nullopt;
      busy += *ticks;
    }
    ++cpus;
  }
  if (cpus == 0) return std::nullopt;
  return static_cast<double>(busy) / kTicksPerSecond;
}

std::optional<double> time_of(const SystemFiles& files, std::string_view usage, const char* user,
                              const char* system) {
  const auto in_user = apple::value_in(usage, user);
  const auto in_system = apple::value_in(usage, system);
  if (!in_user || !in_system) return std::nullopt;
  return apple::seconds_of(files, *in_user + *in_system);
}

}  // namespace

AppleProbe probe_apple(const SystemFiles& files) {
  AppleProbe probe;
  probe.busy_seconds = busy_seconds(files.read(apple::kCpuTicks).value_or(""));
  const auto usage = files.read(apple::kOwnUsage).value_or("");
  probe.own_seconds = time_of(files, usage, "user_time", "system_time");
  probe.performance_seconds = time_of(files, usage, "performance_user_time", "performance_system_time");
  probe.thermal_state = parse_integer(files.read(apple::kThermalState).value_or(""));
  if (const auto mode = parse_integer(files.read(apple::kLowPowerMode).value_or("")))
    probe.low_power_mode = *mode != 0;
  return probe;
}

void add_apple_difference(const AppleProbe& start, const AppleProbe& end, json& noise) {
  if (start.thermal_state && end.thermal_state) {
    if (const auto name = apple::thermal_state_name(std::max(*start.thermal_state, *end.thermal_state)))
      noise["thermal_state"] = *name;
  }
  if (start.low_power_mode && end.low_power_mode)
    noise["low_power_mode"] = *start.low_power_mode || *end.low_power_mode;
  if (start.own_seconds && end.own_seconds && start.performance_seconds && end.performance_seconds) {
    const double own = *end.own_seconds - *start.own_seconds;
    const double performance = *end.performance_seconds - *start.performance_seconds;
    if (own > 0) noise["efficiency_core_share"] = std::clamp(1 - performance / own, 0.0, 1.0);
  }
}

std::optional<std::string> thermal_reject_reason(const json& noise) {
  const auto state = noise.find("thermal_state");
  if (state == noise.end() || !state->is_string()) return std::nullopt;
  for (auto rejected = thresholds::kMostThermalState + 1;; ++rejected) {
    const auto name = apple::thermal_state_name(rejected);
    if (!name) return std::nullopt;
    if (*state == *name) {
      return fmt::format("thermal state '{}' (limit '{}')", *name,
                         *apple::thermal_state_name(thresholds::kMostThermalState));
    }
  }
}

}  // namespace attnbench
