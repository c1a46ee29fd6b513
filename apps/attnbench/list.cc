#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "attnbench/registry.h"
#include "commands.h"

namespace attnbench {
namespace {

std::vector<std::string> mechanism_names(const KernelInfo& kernel) {
  std::vector<std::string> names;
  for (const auto kind : kernel.mechanisms()) names.emplace_back(name(kind));
  return names;
}

void print_json() {
  auto list = nlohmann::json::array();
  for (const auto* kernel : kernels()) {
    list.push_back({{"kernel", kernel->kernel()},
                    {"engine", kernel->engine()},
                    {"path", kernel->path()},
                    {"mechanisms", mechanism_names(*kernel)}});
  }
  auto missing = nlohmann::json::array();
  for (const auto& engine : missing_engines())
    missing.push_back({{"engine", engine.name}, {"reason", engine.reason}});
  fmt::print("{}\n", nlohmann::json{{"kernels", list}, {"missing_engines", missing}}.dump(2));
}

void print_table() {
  fmt::print("{:<12} {:<8} {:<12} mechanisms\n", "kernel", "engine", "path");
  for (const auto* kernel : kernels()) {
    fmt::print("{:<12} {:<8} {:<12} {}\n", kernel->kernel(), kernel->engine(),
               kernel->path().empty() ? "-" : kernel->path(), fmt::join(mechanism_names(*kernel), ", "));
  }
  for (const auto& engine : missing_engines())
    fmt::print("{:<12} {:<8} not built: {}\n", "-", engine.name, engine.reason);
}

}  // namespace

void add_list_command(CLI::App& app, int& exit_code) {
  auto* command =
      app.add_subcommand("list", "Show every kernel of this build, and the engines it lacks and why");
  command->footer("Examples:\n  attnbench list\n  attnbench list --json");
  const auto as_json = std::make_shared<bool>(false);
  command->add_flag("--json", *as_json, "Print JSON");
  command->callback([as_json, &exit_code] {
    *as_json ? print_json() : print_table();
    exit_code = kDone;
  });
}

}  // namespace attnbench
