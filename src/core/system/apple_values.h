#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/system/system_files.h"

/// What macOS tells (system_values_macos.cc), by name, and how to read it. All of it is compiled everywhere:
/// tests give SystemFiles a root that holds such texts. Written from Apple's headers and manual pages; none
/// of it has been seen on a Mac.
namespace attnbench::apple {

/// Before the name of a sysctl: whole numbers, texts.
inline constexpr std::string_view kNumbers = "/sysctl/number/";
inline constexpr std::string_view kTexts = "/sysctl/text/";
/// host_processor_info: "cpu0 USER SYSTEM IDLE NICE" a line, ticks of 1/100 s.
inline constexpr const char* kCpuTicks = "/mach/cpu_ticks";
/// host_statistics64: "NAME PAGES" a line, and page_size in bytes.
inline constexpr const char* kMemoryPages = "/mach/memory_pages";
/// mach_timebase_info: numerator and denominator of a unit of the times below in nanoseconds.
inline constexpr const char* kTimebase = "/mach/timebase";
/// proc_pid_rusage of this process: times in units of kTimebase, footprints in bytes.
inline constexpr const char* kOwnUsage = "/libproc/own_usage";
/// proc_pid_rusage of every process that may be asked: "PID USER SYSTEM NAME" a line.
inline constexpr const char* kProcesses = "/libproc/processes";
/// task_info: bytes of address space that this process has.
inline constexpr const char* kAddressSpace = "/mach/address_space";
/// NSProcessInfo.thermalState: 0 nominal, 1 fair, 2 serious, 3 critical.
inline constexpr const char* kThermalState = "/process_info/thermal_state";
/// NSProcessInfo.lowPowerModeEnabled: 0 or 1.
inline constexpr const char* kLowPowerMode = "/process_info/low_power_mode";

std::optional<std::int64_t> number(const SystemFiles& files, std::string_view sysctl);
std::optional<std::string> text(const SystemFiles& files, std::string_view sysctl);

/// A sysctl's bytes as a decimal number: integers of 4 or 8 bytes in the machine's order, the value of
/// machdep and hw counts; nothing for another size.
std::optional<std::string> number_of_sysctl(std::span<const unsigned char> bytes);
/// A line of kProcesses; what would end the line is replaced.
std::string process_line(std::int64_t id, std::uint64_t user, std::uint64_t system, std::string_view name);

/// The value in "NAME VALUE" lines.
std::optional<std::int64_t> value_in(std::string_view lines, std::string_view name);

/// Seconds of so many units of kTimebase; nothing where it is not told or makes no sense.
std::optional<double> seconds_of(const SystemFiles& files, std::int64_t units);

/// Cores of one kind. Level 0 is the fastest.
struct PerfLevel {
  std::string name;  ///< "Performance", "Efficiency"
  int physical = 0;
  int logical = 0;
  std::int64_t l1_instruction_bytes = 0;
  std::int64_t l1_data_bytes = 0;
  std::int64_t l2_bytes = 0;
  int cpus_per_l2 = 0;
};
/// From hw.nperflevels and hw.perflevelN; empty where the system does not tell all of it.
std::vector<PerfLevel> perf_levels(const SystemFiles& files);

/// The level of a CPU, where CPUs are numbered through the levels, the fastest first. (The system numbers its
/// CPUs in an order that it does not tell, and binds no thread to one: the numbers count, they do not name.)
/// Nothing for a number that no level has.
std::optional<std::size_t> level_of(const std::vector<PerfLevel>& levels, int cpu);

/// "nominal", "fair", "serious", "critical".
std::optional<std::string> thermal_state_name(std::int64_t state);

}  // namespace attnbench::apple
