#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/system/system_files.h"
#include "run/noise/apple_noise.h"
#include "run/noise/parse.h"

namespace attnbench {

/// Counters at one moment; two of them, at the start and end of a process, say what disturbed it. Optional
/// values are empty where the system does not tell.
struct NoiseProbe {
  double wall_seconds = 0;  ///< monotonic clock
  double cpu_seconds = 0;   ///< of this process and the children it has waited for; add what else is its own
  std::optional<double> busy_seconds;      ///< of the CPU set, by anyone
  std::optional<double> steal_seconds;     ///< of the CPU set
  std::optional<double> pressure_seconds;  ///< some runnable task waited for a CPU, system-wide
  std::optional<Throttling> throttling;    ///< of the control groups this process is in
  std::optional<double> clock_mhz;         ///< mean over the CPU set
  std::int64_t voluntary_switches = 0;     ///< of this process and the children it has waited for
  std::int64_t involuntary_switches = 0;
  AppleProbe apple{};
};
NoiseProbe probe_noise(const std::vector<int>& cpus, const SystemFiles& files = SystemFiles());

/// What happened between two probes. Numbers, or "not readable":
/// wall_seconds, cpu_seconds, steal_seconds, steal_share (of cpu_seconds), pressure_seconds, pressure_share
/// (of wall), others_cpu_seconds (CPU time on the set that was not this process's), voluntary_switches,
/// involuntary_switches, involuntary_switches_per_second, throttled_periods, throttled_seconds,
/// clock_mhz_start, clock_mhz_end; and on macOS those of add_apple_difference().
nlohmann::json difference(const NoiseProbe& start, const NoiseProbe& end);

/// Larger over smaller median of the first and last third of the sentinel's times, less 1.
/// Nothing for fewer than three times.
std::optional<double> sentinel_drift(std::span<const double> seconds);

/// The pressure_share of difference() as far as others' work on the CPU set explains it, where that is known:
/// threads of the process wait for each other too, but for others' work nobody waits longer than it takes.
std::optional<double> pressure_of_others(const nlohmann::json& noise);

/// Why a process with this noise (`difference`, with "sentinel_drift" added by the caller) does not count:
/// every value over its threshold, named with it. Pressure counts as far as others' work on the CPU set
/// explains it, where that is known. What could not be read rejects nothing, nor do context switches and
/// clock changes.
std::optional<std::string> reject_reason(const nlohmann::json& noise);

/// Workers that took turns on the same CPUs, each with the difference() of its own lifetime: steal time is
/// set against the CPU time of all, and what one of them used is no disturbance to another. One alone stays
/// as it is.
void share_turns(std::span<nlohmann::json* const> noises);

}  // namespace attnbench
