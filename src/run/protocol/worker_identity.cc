#include "run/protocol/worker_identity.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "attnbench/error.h"
#include "core/cpu_list.h"
#include "io/json.h"
#include "plan/study_json.h"

namespace attnbench {

using nlohmann::json;

PluginFile identify_plugin(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string bytes(std::istreambuf_iterator<char>(in), {});
  if (!in.is_open() || bytes.empty()) throw InputError("plugin", path, "cannot be read");
  return {std::filesystem::path(path).filename().string(), fnv1a_128(bytes)};
}

json to_json(const std::vector<PluginFile>& plugins) {
  auto list = json::array();
  for (const auto& plugin : plugins) list.push_back({{"file", plugin.file}, {"hash", plugin.hash}});
  return list;
}

std::vector<PluginFile> plugins_from_json(const json& in) {
  std::vector<PluginFile> plugins;
  for (const auto& item : in)
    plugins.push_back({read_field<std::string>(item, "file"), read_field<std::string>(item, "hash")});
  return plugins;
}

std::string in_words(std::vector<PluginFile> plugins) {
  if (plugins.empty()) return "none";
  constexpr std::size_t kDigits = 16;
  std::vector<std::string> words;
  for (const auto& plugin : plugins)
    words.push_back(fmt::format("{} {}", plugin.file, plugin.hash.substr(0, kDigits)));
  std::sort(words.begin(), words.end());
  return fmt::format("{}", fmt::join(words, ", "));
}

json to_json(const WorkerIdentity& identity) {
  return {{"build_id", identity.build_id},
          {"machine_key", identity.machine_key},
          {"boot_id", identity.boot_id},
          {"allowed_cpus", identity.allowed_cpus},
          {"cpus", identity.cpus},
          {"libraries", identity.libraries},
          {"plugins", to_json(identity.plugins)},
          {"plugins_not_loaded", identity.plugins_not_loaded}};
}

WorkerIdentity worker_identity_from_json(const json& in) {
  return {read_field<std::string>(in, "build_id"),
          read_field<std::string>(in, "machine_key"),
          read_field<std::string>(in, "boot_id"),
          read_field<std::string>(in, "allowed_cpus"),
          read_field<std::vector<int>>(in, "cpus"),
          read_field<std::map<std::string, std::string>>(in, "libraries"),
          plugins_from_json(read_field<json>(in, "plugins")),
          in.contains("plugins_not_loaded")
              ? read_field<std::map<std::string, std::string>>(in, "plugins_not_loaded")
              : std::map<std::string, std::string>()};
}

std::optional<IdentityDifference> difference(const WorkerIdentity& expected, const WorkerIdentity& found) {
  auto expected_libraries = expected.libraries;
  if (!found.plugins_not_loaded.empty())
    std::erase_if(expected_libraries,
                  [&](const auto& entry) { return !found.libraries.contains(entry.first); });
  const auto& cpus = expected.cpus.empty() ? found.cpus : expected.cpus;
  const IdentityDifference all[] = {
      {"machine", expected.machine_key, found.machine_key},
      {"boot of the machine", expected.boot_id, found.boot_id},
      {"build", expected.build_id, found.build_id},
      {"library versions", json(expected_libraries).dump(), json(found.libraries).dump()},
      {"CPU set", expected.allowed_cpus, found.allowed_cpus},
      {"CPUs in use", format_cpu_list(cpus), format_cpu_list(found.cpus)},
      {"plugin", in_words(expected.plugins), in_words(found.plugins)},
  };
  for (const auto& item : all) {
    if (item.expected != item.found) return item;
  }
  return std::nullopt;
}

}  // namespace attnbench
