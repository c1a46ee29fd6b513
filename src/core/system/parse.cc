#include "core/system/parse.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <set>

namespace attnbench {
namespace {

std::vector<std::string_view> split(std::string_view text, std::string_view separators) {
  std::vector<std::string_view> parts;
  while (!text.empty()) {
    const auto end = std::min(text.find_first_of(separators), text.size());
    if (end > 0) parts.push_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return parts;
}

std::string_view trim(std::string_view text) {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(" \t") - begin + 1);
}

}  // namespace

std::vector<std::string_view> split_lines(std::string_view text) { return split(text, "\n"); }
std::vector<std::string_view> split_words(std::string_view text) { return split(text, " \t"); }

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

bool CpuInfo::has(std::string_view flag) const {
  return std::find(flags.begin(), flags.end(), flag) != flags.end();
}

CpuInfo parse_cpuinfo(std::string_view text) {
  CpuInfo info;
  const auto set_once = [](std::string& field, std::string_view value) {
    if (field.empty()) field = value;
  };
  for (const auto line : split_lines(text)) {
    const auto colon = line.find(':');
    if (colon == std::string_view::npos) continue;
    const auto key = trim(line.substr(0, colon));
    const auto value = trim(line.substr(colon + 1));
    if (key == "processor") ++info.logical_cpus;
    if (key == "vendor_id" || key == "CPU implementer") set_once(info.vendor, value);
    if (key == "model name" || key == "CPU part") set_once(info.model, value);
    if (key == "cpu family" || key == "CPU architecture") set_once(info.family, value);
    if (key == "model" || key == "CPU variant") set_once(info.model_number, value);
    if (key == "stepping" || key == "CPU revision") set_once(info.stepping, value);
    if ((key == "flags" || key == "Features") && info.flags.empty()) {
      for (const auto flag : split_words(value)) info.flags.emplace_back(flag);
    }
  }
  return info;
}

std::optional<std::int64_t> parse_cache_size(std::string_view text) {
  std::int64_t unit = 1;
  if (text.ends_with('K')) unit = 1 << 10;
  if (text.ends_with('M')) unit = 1 << 20;
  if (text.ends_with('G')) unit = 1 << 30;
  if (unit > 1) text.remove_suffix(1);
  const auto count = parse_integer(text);
  if (!count || *count <= 0) return std::nullopt;
  return *count * unit;
}

std::optional<std::int64_t> parse_meminfo(std::string_view text, std::string_view field) {
  for (const auto line : split_lines(text)) {
    const auto words = split_words(line);
    if (words.size() < 2 || words[0] != fmt::format("{}:", field)) continue;
    const auto kibibytes = parse_integer(words[1]);
    if (!kibibytes) return std::nullopt;
    return *kibibytes * 1024;
  }
  return std::nullopt;
}

std::optional<std::string> selected_option(std::string_view text) {
  const auto open = text.find('[');
  const auto close = text.find(']', open);
  if (open == std::string_view::npos || close == std::string_view::npos) return std::nullopt;
  return std::string(text.substr(open + 1, close - open - 1));
}

std::optional<std::string> parse_os_release(std::string_view text) {
  constexpr std::string_view kField = "PRETTY_NAME=";
  for (auto line : split_lines(text)) {
    if (!line.starts_with(kField)) continue;
    line.remove_prefix(kField.size());
    if (line.size() >= 2 && line.front() == '"' && line.back() == '"') line = line.substr(1, line.size() - 2);
    return std::string(line);
  }
  return std::nullopt;
}

std::vector<std::string> openmp_runtimes(std::string_view maps) {
  std::set<std::string> names;
  for (const auto line : split_lines(maps)) {
    const auto name = line.substr(std::min(line.rfind('/'), line.size() - 1) + 1);
    for (const auto* runtime : {"libgomp", "libomp", "libiomp"}) {
      if (name.starts_with(runtime)) names.emplace(name);
    }
  }
  return {names.begin(), names.end()};
}

std::map<std::string, std::string> threading_variables(const std::vector<std::string>& environment) {
  std::map<std::string, std::string> found;
  for (const std::string_view entry : environment) {
    const auto equals = entry.find('=');
    if (equals == std::string_view::npos) continue;
    const auto is_ours = [&](const char* prefix) { return entry.starts_with(prefix); };
    const auto prefixes = {"OMP_", "GOMP_", "KMP_", "DNNL_", "ONEDNN_"};
    if (std::none_of(prefixes.begin(), prefixes.end(), is_ours)) continue;
    const auto value = entry.substr(equals + 1);
    const bool is_path = value.find('/') != std::string_view::npos;
    found.emplace(entry.substr(0, equals), is_path ? "(path)" : value);
  }
  return found;
}

}  // namespace attnbench
