#include "core/system/apple_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/system/parse.h"

namespace attnbench::apple {
namespace {

/// No machine has more; a value beyond it is a mistake.
constexpr std::int64_t kMostLevels = 8;
constexpr std::int64_t kMostCpus = 4096;

std::optional<std::int64_t> count(const SystemFiles& files, const std::string& sysctl, std::int64_t most) {
  const auto value = number(files, sysctl);
  if (!value || *value < 1 || *value > most) return std::nullopt;
  return value;
}

}  // namespace

std::optional<std::int64_t> number(const SystemFiles& files, std::string_view sysctl) {
  return parse_integer(files.read(fmt::format("{}{}", kNumbers, sysctl)).value_or(""));
}

std::optional<std::string> text(const SystemFiles& files, std::string_view sysctl) {
  return files.read(fmt::format("{}{}", kTexts, sysctl));
}

std::optional<std::string> number_of_sysctl(std::span<const unsigned char> bytes) {
  if (bytes.size() == sizeof(std::int32_t)) {
    std::int32_t value = 0;
    std::memcpy(&value, bytes.data(), sizeof value);
    return fmt::format("{}", value);
  }
  if (bytes.size() == sizeof(std::int64_t)) {
    std::int64_t value = 0;
    std::memcpy(&value, bytes.data(), sizeof value);
    return fmt::format("{}", value);
  }
  return std::nullopt;
}

std::string process_line(std::int64_t id, std::uint64_t user, std::uint64_t system, std::string_view name) {
  std::string printable(name);
  std::replace_if(printable.begin(), printable.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return fmt::format("{} {} {} {}\n", id, user, system, printable);
}

std::optional<std::int64_t> value_in(std::string_view lines, std::string_view name) {
  for (const auto line : split_lines(lines)) {
    const auto words = split_words(line);
    if (words.size() == 2 && words[0] == name) return parse_integer(words[1]);
  }
  return std::nullopt;
}

std::optional<double> seconds_of(const SystemFiles& files, std::int64_t units) {
  const auto base = files.read(kTimebase).value_or("");
  const auto numerator = value_in(base, "numerator");
  const auto denominator = value_in(base, "denominator");
  if (!numerator || !denominator || *numerator < 1 || *denominator < 1) return std::nullopt;
  return static_cast<double>(units) * static_cast<double>(*numerator) / static_cast<double>(*denominator) *
         1e-9;
}

std::vector<PerfLevel> perf_levels(const SystemFiles& files) {
  const auto levels = count(files, "hw.nperflevels", kMostLevels);
  std::vector<PerfLevel> found;
  for (std::int64_t i = 0; i < levels.value_or(0); ++i) {
    const auto prefix = fmt::format("hw.perflevel{}.", i);
    const auto physical = count(files, prefix + "physicalcpu", kMostCpus);
    const auto logical = count(files, prefix + "logicalcpu", kMostCpus);
    if (!physical || !logical || *logical < *physical) return {};
    PerfLevel level;
    level.name = text(files, prefix + "name").value_or(fmt::format("level {}", i));
    level.physical = static_cast<int>(*physical);
    level.logical = static_cast<int>(*logical);
    const auto bytes = [&](const char* name) {
      return std::max<std::int64_t>(number(files, prefix + name).value_or(0), 0);
    };
    level.l1_instruction_bytes = bytes("l1icachesize");
    level.l1_data_bytes = bytes("l1dcachesize");
    level.l2_bytes = bytes("l2cachesize");
    level.cpus_per_l2 = static_cast<int>(count(files, prefix + "cpusperl2", kMostCpus).value_or(1));
    found.push_back(std::move(level));
  }
  return found;
}

std::optional<std::size_t> level_of(const std::vector<PerfLevel>& levels, int cpu) {
  if (cpu < 0) return std::nullopt;
  for (std::size_t level = 0; level < levels.size(); ++level) {
    if (cpu < levels[level].logical) return level;
    cpu -= levels[level].logical;
  }
  return std::nullopt;
}

std::optional<std::string> thermal_state_name(std::int64_t state) {
  constexpr std::array kNames{"nominal", "fair", "serious", "critical"};
  if (state < 0 || state >= static_cast<std::int64_t>(kNames.size())) return std::nullopt;
  return kNames[static_cast<std::size_t>(state)];
}

}  // namespace attnbench::apple
