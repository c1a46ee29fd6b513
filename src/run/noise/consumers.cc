#include "run/noise/consumers.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "core/system/apple_values.h"
#include "core/system/parse.h"

namespace attnbench {
namespace {

using nlohmann::json;

constexpr double kLeastCpus = 0.05;
constexpr std::size_t kMostNamed = 3;

/// A process may call itself anything, with what moves a terminal's cursor.
std::string printable(std::string_view name) {
  std::string text(name);
  std::replace_if(text.begin(), text.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return text;
}

/// From /proc/PID/stat: the name is in parentheses and may hold some itself.
std::optional<ProcessCpu> parse_stat(std::string_view text) {
  const auto open = text.find('(');
  const auto close = text.rfind(')');
  if (open == std::string_view::npos || close == std::string_view::npos || close < open) return std::nullopt;
  // After the name: state, ten numbers, then user and system time in clock ticks.
  constexpr std::size_t kUser = 11;
  const auto fields = split_words(text.substr(close + 1));
  if (fields.size() <= kUser + 1) return std::nullopt;
  const auto user = parse_integer(fields[kUser]);
  const auto system = parse_integer(fields[kUser + 1]);
  if (!user || !system) return std::nullopt;
  return ProcessCpu{printable(text.substr(open + 1, close - open - 1)),
                    static_cast<double>(*user + *system) / static_cast<double>(sysconf(_SC_CLK_TCK))};
}

/// A line of apple::kProcesses. The name comes last and may hold blanks.
std::optional<std::pair<std::int64_t, ProcessCpu>> parse_apple_process(const SystemFiles& files,
                                                                       std::string_view line) {
  const auto words = split_words(line);
  if (words.size() < 3) return std::nullopt;
  const auto id = parse_integer(words[0]);
  const auto user = parse_integer(words[1]);
  const auto system = parse_integer(words[2]);
  if (!id || !user || !system || *user < 0 || *system < 0) return std::nullopt;
  const auto seconds = apple::seconds_of(files, *user + *system);
  if (!seconds) return std::nullopt;
  const auto name =
      words.size() > 3 ? line.substr(static_cast<std::size_t>(words[3].data() - line.data())) : "?";
  return std::pair{*id, ProcessCpu{printable(name), *seconds}};
}

}  // namespace

std::map<std::int64_t, ProcessCpu> cpu_of_processes(const SystemFiles& files) {
  std::map<std::int64_t, ProcessCpu> processes;
  const auto lines = files.read(apple::kProcesses).value_or("");
  for (const auto line : split_lines(lines)) {
    if (auto process = parse_apple_process(files, line)) processes.insert(std::move(*process));
  }
  for (const auto& entry : files.entries("/proc")) {
    const auto id = parse_integer(entry);
    if (!id) continue;
    if (auto process = parse_stat(files.read(fmt::format("/proc/{}/stat", *id)).value_or("")))
      processes.emplace(*id, std::move(*process));
  }
  return processes;
}

json busiest(const std::map<std::int64_t, ProcessCpu>& before,
             const std::map<std::int64_t, ProcessCpu>& after, double seconds) {
  struct Use {
    std::string name;
    int processes = 0;
    double cpus = 0;
  };
  std::map<std::string, Use> by_name;
  for (const auto& [id, process] : after) {
    const auto earlier = before.find(id);
    const bool same = earlier != before.end() && earlier->second.cpu_seconds <= process.cpu_seconds;
    const double used = process.cpu_seconds - (same ? earlier->second.cpu_seconds : 0);
    if (id == getpid() || used <= 0) continue;
    auto& use = by_name[process.name];
    use.name = process.name;
    ++use.processes;
    use.cpus += used / seconds;
  }
  std::vector<Use> uses;
  for (const auto& [name, use] : by_name) {
    if (use.cpus > kLeastCpus) uses.push_back(use);
  }
  std::stable_sort(uses.begin(), uses.end(), [](const auto& a, const auto& b) { return a.cpus > b.cpus; });
  auto list = json::array();
  for (const auto& use : uses) {
    if (list.size() == kMostNamed) break;
    list.push_back({{"name", use.name}, {"processes", use.processes}, {"cpus", use.cpus}});
  }
  return list;
}

std::string consumers_in_words(const json& consumers) {
  std::string text;
  for (const auto& use : consumers) {
    const auto processes = use.at("processes").get<int>();
    text += fmt::format("{}{} ({}{:.1f} CPUs)", text.empty() ? "" : ", ", use.at("name").get<std::string>(),
                        processes > 1 ? fmt::format("{} processes, ", processes) : "",
                        use.at("cpus").get<double>());
  }
  return text;
}

}  // namespace attnbench
