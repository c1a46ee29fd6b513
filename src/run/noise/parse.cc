#include "run/noise/parse.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>

#include "core/system/parse.h"

namespace attnbench {
namespace {

/// "NAME VALUE" lines.
std::optional<std::int64_t> value_of(std::string_view text, std::string_view name) {
  for (const auto line : split_lines(text)) {
    const auto words = split_words(line);
    if (words.size() == 2 && words[0] == name) return parse_integer(words[1]);
  }
  return std::nullopt;
}

}  // namespace

std::optional<CpuTicks> parse_cpu_ticks(std::string_view text, const std::vector<int>& cpus) {
  // user nice system idle iowait irq softirq steal; guest time is already part of user and nice.
  constexpr std::size_t kIdle = 4;
  constexpr std::size_t kWait = 5;
  constexpr std::size_t kSteal = 8;
  CpuTicks ticks;
  std::size_t found = 0;
  for (const auto line : split_lines(text)) {
    const auto words = split_words(line);
    if (words.size() <= kSteal || !words[0].starts_with("cpu")) continue;
    const auto cpu = parse_integer(words[0].substr(3));
    if (!cpu || std::find(cpus.begin(), cpus.end(), *cpu) == cpus.end()) continue;
    ++found;
    for (std::size_t column = 1; column <= kSteal; ++column) {
      const auto value = parse_integer(words[column]);
      if (!value) return std::nullopt;
      if (column == kSteal) {
        ticks.steal += *value;
      } else if (column != kIdle && column != kWait) {
        ticks.busy += *value;
      }
    }
  }
  if (found == 0 || found != cpus.size()) return std::nullopt;
  return ticks;
}

std::optional<std::int64_t> parse_pressure_some(std::string_view text) {
  constexpr std::string_view kTotal = "total=";
  for (const auto line : split_lines(text)) {
    const auto words = split_words(line);
    if (words.empty() || words[0] != "some") continue;
    for (const auto word : words) {
      if (word.starts_with(kTotal)) return parse_integer(word.substr(kTotal.size()));
    }
  }
  return std::nullopt;
}

std::optional<Throttling> parse_throttling(std::string_view text) {
  const auto periods = value_of(text, "nr_throttled");
  if (!periods) return std::nullopt;
  Throttling throttling{*periods, 0};
  if (const auto microseconds = value_of(text, "throttled_usec")) {
    throttling.seconds = static_cast<double>(*microseconds) * 1e-6;
  } else if (const auto nanoseconds = value_of(text, "throttled_time")) {
    throttling.seconds = static_cast<double>(*nanoseconds) * 1e-9;
  }
  return throttling;
}

std::optional<double> parse_clock_mhz(std::string_view text, const std::vector<int>& cpus) {
  double sum = 0;
  std::size_t found = 0;
  bool wanted = false;
  for (const auto line : split_lines(text)) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const auto value = split_words(line.substr(colon + 1));
    if (value.empty()) continue;
    if (line.starts_with("processor")) {
      const auto cpu = parse_integer(value[0]);
      wanted = cpu && std::find(cpus.begin(), cpus.end(), *cpu) != cpus.end();
    } else if (wanted && line.starts_with("cpu MHz")) {
      sum += std::strtod(std::string(value[0]).c_str(), nullptr);
      ++found;
    }
  }
  if (found == 0) return std::nullopt;
  return sum / static_cast<double>(found);
}

}  // namespace attnbench
