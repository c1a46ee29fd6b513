#pragma once

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

namespace attnbench {

/// A plugin by what its file holds: built anew it is another one.
struct PluginFile {
  std::string file;  ///< name without its folder
  std::string hash;  ///< of its bytes, 32 hex digits
  bool operator==(const PluginFile&) const = default;
};
/// Throws InputError("plugin", path, ...) where the file cannot be read.
PluginFile identify_plugin(const std::string& path);
nlohmann::json to_json(const std::vector<PluginFile>& plugins);
std::vector<PluginFile> plugins_from_json(const nlohmann::json& in);
/// "liba.so 0123abcd, libb.so 4567cdef", in no order of loading; "none".
std::string in_words(std::vector<PluginFile> plugins);

/// What all workers of a run must have in common, so that their processes may be averaged.
struct WorkerIdentity {
  std::string build_id, machine_key;
  std::string boot_id;                           ///< may change from one invocation to the next
  std::string allowed_cpus;                      ///< at the worker's start, as "0-3,8"
  std::vector<int> cpus;                         ///< of its threads
  std::map<std::string, std::string> libraries;  ///< versions by name
  std::vector<PluginFile> plugins;
  std::map<std::string, std::string> plugins_not_loaded{};  ///< why, by file
};
nlohmann::json to_json(const WorkerIdentity& identity);
/// Throws InputError naming the missing or ill-typed field.
WorkerIdentity worker_identity_from_json(const nlohmann::json& in);

/// What two workers differ in, in words.
struct IdentityDifference {
  std::string what, expected, found;
};
/// The first difference; nothing where there is none. Where `expected` has no cpus, any will do. Of one that
/// could not load a plugin, the versions that it tells must be the same.
std::optional<IdentityDifference> difference(const WorkerIdentity& expected, const WorkerIdentity& found);

}  // namespace attnbench
