#include <fmt/format.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/registry.h"
#include "command.h"
#include "commands.h"
#include "io/json.h"
#include "plan/find_study.h"
#include "report/text_width.h"
#include "run/external/load.h"
#include "run/external/peers.h"
#include "terminal.h"

namespace attnbench {
namespace {

std::vector<std::string> mechanism_names(const KernelInfo& kernel) {
  std::vector<std::string> names;
  for (const auto kind : kernel.mechanisms()) names.emplace_back(name(kind));
  return names;
}

/// Engines that this build lacks, and those of --peers that cannot be loaded or can compute nothing here.
std::vector<MissingEngine> all_missing(const std::vector<MissingEngine>& peers) {
  auto all = missing_engines();
  all.insert(all.end(), peers.begin(), peers.end());
  for (const auto& engine : unavailable_engines()) all.push_back(engine);
  return all;
}

void print_json(const std::vector<MissingEngine>& peers) {
  auto list = nlohmann::json::array();
  for (const auto* kernel : kernels()) {
    list.push_back({{"kernel", kernel->kernel()},
                    {"engine", kernel->engine()},
                    {"path", kernel->path()},
                    {"description", kernel->description()},
                    {"mechanisms", mechanism_names(*kernel)}});
  }
  auto missing = nlohmann::json::array();
  for (const auto& engine : all_missing(peers))
    missing.push_back({{"engine", engine.name}, {"reason", engine.reason}});
  fmt::print("{}\n", json_text({{"kernels", list},
                                {"devices", device_names()},
                                {"missing_devices", missing_devices()},
                                {"missing_engines", missing}},
                               2));
}

void print_table(const std::vector<MissingEngine>& peers) {
  fmt::print("{:<12} {:<8} {:<12} mechanisms\n", "kernel", "engine", "path");
  for (const auto* kernel : kernels()) {
    fmt::print("{:<12} {:<8} {:<12} {}\n", kernel->kernel(), kernel->engine(),
               kernel->path().empty() ? "-" : kernel->path(), fmt::join(mechanism_names(*kernel), ", "));
  }
  for (const auto* kernel : kernels()) {
    if (const auto text = kernel->description(); !text.empty())
      print_line(fmt::format("{}@{}: {}", kernel->kernel(), kernel->engine(), text));
  }
  fmt::print("devices: {}\n", fmt::join(device_names(), ", "));
  for (const auto& why : missing_devices()) print_line("no device of " + why);
  const auto print_missing = [](const MissingEngine& engine, const char* what) {
    print_line(fmt::format("{:<12} {:<8} {}: {}", "-", engine.name, what, engine.reason));
  };
  for (const auto& engine : missing_engines()) print_missing(engine, "not built");
  for (const auto& engine : peers) print_missing(engine, "not loaded");
  for (const auto& engine : unavailable_engines()) print_missing(engine, "computes nothing here");
}

void print_studies_json() {
  auto list = nlohmann::json::array();
  for (const auto& name : study_names()) {
    const auto study = find_study(name);
    list.push_back({{"name", study.name}, {"description", study.description}, {"cells", study.cells.size()}});
  }
  fmt::print("{}\n", json_text({{"studies", list}}, 2));
}

void print_studies() {
  fmt::print("{:<12} {:>5} description\n", "study", "cells");
  for (const auto& name : study_names()) {
    const auto study = find_study(name);
    print_line(fmt::format("{:<12} {:>5} {}", study.name, study.cells.size(), study.description));
  }
}

}  // namespace

void add_list_command(CLI::App& app, int& exit_code) {
  Command command(
      app, "list",
      "Show every kernel and device of this build, the engines it lacks and why, or the built-in studies");
  command.footer(
      "Examples:\n  attnbench list\n  attnbench list --plugin ./libmyengine.so\n  attnbench list --studies\n"
      "  attnbench list --json");
  struct Flags {
    bool json = false;
    bool studies = false;
    bool peers = false;
    std::vector<std::string> plugins;
  };
  const auto flags = std::make_shared<Flags>();
  command.add_flag("--studies", flags->studies, "Show the studies that `attnbench run` knows by name");
  command
      .add_option("--plugin", flags->plugins,
                  "Load kernels and devices from this shared object (.so), or this program that is an engine")
      .delimiter(',');
  command.add_flag("--peers", flags->peers,
                   "Load the engines of other makers that come with AttnBench (docs/external-kernels.md)");
  command.add_flag("--json", flags->json, "Print the results as JSON");
  command.callback([flags, &exit_code] {
    for (const auto& plugin : flags->plugins) load_kernels(plugin, allowed_cpus(), false);
    const auto peers =
        flags->peers ? load_peers(allowed_cpus(), flags->plugins).missing : std::vector<MissingEngine>{};
    if (flags->studies) {
      flags->json ? print_studies_json() : print_studies();
    } else {
      flags->json ? print_json(peers) : print_table(peers);
    }
    exit_code = kDone;
  });
}

}  // namespace attnbench
