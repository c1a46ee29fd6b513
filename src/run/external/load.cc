#include "run/external/load.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <system_error>
#include <utility>

#include "attnbench/error.h"
#include "attnbench/registry.h"
#include "registry/add_kernels.h"
#include "run/external/engine.h"
#include "run/external/external_kernel.h"
#include "run/noise/consumers.h"

namespace attnbench {
namespace {

/// Registered kernels live as long as the program, and so does what they belong to.
struct LoadedEngine {
  std::unique_ptr<ExternalEngine> engine;
  std::vector<std::unique_ptr<ExternalKernel>> kernels;
};
std::vector<LoadedEngine>& loaded_engines() {
  static std::vector<LoadedEngine> all;
  return all;
}

std::map<std::string, std::string>& not_loaded() {
  static std::map<std::string, std::string> all;
  return all;
}

void load_engine(const std::string& file, const std::vector<int>& cpus, bool keep_started) {
  if (access(file.c_str(), X_OK) != 0)
    throw InputError("plugin", file, "cannot be run: " + std::generic_category().message(errno));
  LoadedEngine loaded;
  loaded.engine = std::make_unique<ExternalEngine>(file, cpus);
  std::vector<const KernelInfo*> kernels;
  for (const auto& kernel : loaded.engine->description().kernels) {
    loaded.kernels.push_back(std::make_unique<ExternalKernel>(*loaded.engine, kernel));
    kernels.push_back(loaded.kernels.back().get());
  }
  add_kernels(kernels, file);
  if (!keep_started) loaded.engine->end();
  loaded_engines().push_back(std::move(loaded));
}

}  // namespace

bool is_engine_program(const std::string& file) { return !file.ends_with(".so"); }

void load_kernels(const std::string& file, const std::vector<int>& cpus, bool keep_started) {
  if (!is_engine_program(file)) return load_plugin(file);
  load_engine(file, cpus, keep_started);
}

void load_kernels_or_keep_why(const std::string& file, const std::vector<int>& cpus) {
  try {
    load_kernels(file, cpus, true);
  } catch (const InputError& error) {
    not_loaded()[file] = error.what();
  }
}

const std::map<std::string, std::string>& plugins_not_loaded() { return not_loaded(); }

std::string why_not_registered() {
  std::string why = "is not registered in this build";
  for (const auto& [file, reason] : not_loaded()) why += "; " + reason;
  return why;
}

std::vector<MissingEngine> unavailable_engines() {
  std::vector<MissingEngine> engines;
  for (const auto& loaded : loaded_engines()) {
    const auto& description = loaded.engine->description();
    if (!description.unavailable.empty()) engines.push_back({description.engine, description.unavailable});
  }
  return engines;
}

double cpu_seconds_of_engine_programs() {
  if (loaded_engines().empty()) return 0;
  const auto processes = cpu_of_processes();
  double seconds = 0;
  for (const auto& loaded : loaded_engines()) {
    const auto found = processes.find(loaded.engine->process_id());
    if (found != processes.end()) seconds += found->second.cpu_seconds;
  }
  return seconds;
}

std::map<std::string, std::string> engine_versions() {
  std::map<std::string, std::string> versions;
  for (const auto& loaded : loaded_engines()) {
    const auto& description = loaded.engine->description();
    for (const auto& [name, version] : description.versions)
      versions[fmt::format("{} {}", description.engine, name)] = version;
  }
  return versions;
}

}  // namespace attnbench
