#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace attnbench {

/// Sums over a CPU set, in clock ticks since boot.
struct CpuTicks {
  std::int64_t busy = 0;  ///< all but idle, waiting for I/O, and steal
  std::int64_t steal = 0;
};
/// /proc/stat; nothing unless every CPU of the set has its line.
std::optional<CpuTicks> parse_cpu_ticks(std::string_view text, const std::vector<int>& cpus);

/// "some ... total=" of /proc/pressure/cpu, microseconds.
std::optional<std::int64_t> parse_pressure_some(std::string_view text);

struct Throttling {
  std::int64_t periods = 0;
  double seconds = 0;
};
/// cpu.stat of a control group, version 1 (throttled_time, nanoseconds) or 2 (throttled_usec). Nothing where
/// the group has no CPU limit to report.
std::optional<Throttling> parse_throttling(std::string_view text);

/// "cpu MHz" of /proc/cpuinfo, mean over the CPU set.
std::optional<double> parse_clock_mhz(std::string_view text, const std::vector<int>& cpus);

}  // namespace attnbench
