#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace attnbench {

/// What /proc/cpuinfo says of the first processor.
struct CpuInfo {
  std::string vendor, model, family, model_number, stepping;  ///< empty where absent
  std::vector<std::string> flags;
  int logical_cpus = 0;

  bool has(std::string_view flag) const;
};
/// Reads the x86 form and the Arm form (implementer and part stand for vendor and model).
CpuInfo parse_cpuinfo(std::string_view text);

/// "32K", "1M", "512" in bytes.
std::optional<std::int64_t> parse_cache_size(std::string_view text);
/// Value of one line of /proc/meminfo ("MemTotal") in bytes.
std::optional<std::int64_t> parse_meminfo(std::string_view text, std::string_view field);
/// "always [madvise] never" -> "madvise".
std::optional<std::string> selected_option(std::string_view text);
/// PRETTY_NAME of /etc/os-release.
std::optional<std::string> parse_os_release(std::string_view text);
/// File names of the OpenMP runtimes mapped into a process, from /proc/PID/maps; each once.
std::vector<std::string> openmp_runtimes(std::string_view maps);
/// The variables among `environment` ("NAME=VALUE") that steer threads or oneDNN. A value that holds a path
/// is replaced by "(path)".
std::map<std::string, std::string> threading_variables(const std::vector<std::string>& environment);

/// Lines without their newline.
std::vector<std::string_view> split_lines(std::string_view text);
/// Words between blanks.
std::vector<std::string_view> split_words(std::string_view text);
/// The whole of `text` as a decimal integer.
std::optional<std::int64_t> parse_integer(std::string_view text);

}  // namespace attnbench
