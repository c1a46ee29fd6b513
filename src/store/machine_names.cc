#include "store/machine_names.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <sstream>

#include "core/cpu_list.h"

namespace attnbench {
namespace {

using nlohmann::json;

constexpr std::size_t kLeastKeyDigits = 4;

std::string text_at(const json& document, const char* place) {
  const json::json_pointer pointer(place);
  return document.contains(pointer) && document.at(pointer).is_string()
             ? document.at(pointer).get<std::string>()
             : "";
}

/// "AMD EPYC 9R14 96-Core Processor" -> "AMD EPYC 9R14"; "Intel(R) Xeon(R) CPU E5 @ 2.30GHz" -> "Intel Xeon
/// E5".
std::string short_model(std::string model) {
  for (const std::string mark : {"(R)", "(TM)", "(r)", "(tm)"}) {
    for (auto at = model.find(mark); at != std::string::npos; at = model.find(mark))
      model.erase(at, mark.size());
  }
  std::istringstream words(model.substr(0, model.find('@')));
  std::string result;
  for (std::string word; words >> word;) {
    if (word == "CPU" || word == "Processor" || word.ends_with("-Core")) continue;
    result += (result.empty() ? "" : " ") + word;
  }
  return result;
}

/// Of the features that the probe found, " (AMX)"; empty where it found none of these.
std::string widest_instructions(const std::string& features) {
  std::istringstream words(features);
  std::set<std::string> found;
  for (std::string word; words >> word;) found.insert(word.substr(0, word.find('_')));
  for (const auto& [feature, name] : {std::pair{"amx", "AMX"}, {"avx512", "AVX-512"}, {"avx2", "AVX2"}}) {
    if (found.contains(feature)) return fmt::format(" ({})", name);
  }
  return "";
}

/// Those that the workers were allowed; of stores that do not tell, those in use, else all. 0: not known.
std::size_t cpu_count(const RunContents& contents) {
  const auto& environment = *contents.run.environment;
  if (const auto allowed = parse_cpu_list(text_at(environment, "/workers/allowed_cpus")); !allowed.empty())
    return allowed.size();
  std::set<int> used;
  for (const auto& cell : contents.cells) used.insert(cell.cpus.begin(), cell.cpus.end());
  if (!used.empty()) return used.size();
  const json::json_pointer all("/cpu/logical_cpus");
  const bool known = environment.contains(all) && environment.at(all).is_number_integer();
  return known ? static_cast<std::size_t>(std::max<std::int64_t>(environment.at(all).get<std::int64_t>(), 0))
               : 0;
}

/// Of the one device that all cells are of, where it is another than the host's CPUs; else empty.
std::string device_model(const RunContents& contents) {
  std::set<std::string> devices;
  for (const auto& cell : contents.cells) devices.insert(cell.device);
  if (devices.size() != 1) return "";
  const json::json_pointer model = json::json_pointer("/devices") / *devices.begin() / "identity" / "model";
  return text_at(*contents.run.environment, model.to_string().c_str());
}

/// The first digits of keys, as few as tell them apart.
std::size_t digits_to_tell_apart(const std::set<std::string>& keys) {
  std::size_t longest = kLeastKeyDigits;
  for (const auto& key : keys) longest = std::max(longest, key.size());
  for (std::size_t digits = kLeastKeyDigits; digits < longest; ++digits) {
    std::set<std::string> parts;
    for (const auto& key : keys) parts.insert(key.substr(0, digits));
    if (parts.size() == keys.size()) return digits;
  }
  return longest;
}

}  // namespace

std::string machine_name(const RunContents& contents) {
  const auto& environment = *contents.run.environment;
  if (auto given = text_at(environment, "/machine"); !given.empty()) return given;
  const auto model = short_model(text_at(environment, "/cpu/model"));
  if (const auto device = device_model(contents); !device.empty())
    return device + (model.empty() ? "" : " beside " + model);
  auto name =
      (model.empty() ? "unknown CPU" : model) + widest_instructions(text_at(environment, "/cpu/features"));
  if (const auto cpus = cpu_count(contents); cpus > 0)
    name += fmt::format(", {} CPU{}", cpus, cpus == 1 ? "" : "s");
  return name;
}

std::vector<std::string> told_apart(const std::vector<NamedMachine>& machines) {
  std::map<std::string, std::set<std::string>> keys;
  for (const auto& machine : machines) keys[machine.name].insert(machine.key);
  std::vector<std::string> names;
  std::map<std::string, int> seen;
  for (const auto& machine : machines) {
    auto name = machine.name;
    if (const auto& all = keys[name]; all.size() > 1)
      name += fmt::format(" [{}]", machine.key.substr(0, digits_to_tell_apart(all)));
    const int count = ++seen[name];
    names.push_back(count == 1 ? name : fmt::format("{}, run {}", name, count));
  }
  return names;
}

std::vector<std::string> machine_names(std::span<const RunContents> runs) {
  std::vector<NamedMachine> machines;
  machines.reserve(runs.size());
  for (const auto& contents : runs) machines.push_back({machine_name(contents), contents.run.machine_key});
  return told_apart(machines);
}

}  // namespace attnbench
