#pragma once

#include <map>
#include <string>
#include <vector>

#include "attnbench/registry.h"

namespace attnbench {

/// Whether a plugin is a program that is an engine (docs/external-kernels.md), as any is whose name does not
/// end with .so.
bool is_engine_program(const std::string& file);

/// Registers what a file offers: a shared object (load_plugin()), or an engine's program: it is started on
/// these CPUs and, where it is kept, waits for what it will be asked, at rest. Throws InputError("plugin",
/// file, ...).
void load_kernels(const std::string& file, const std::vector<int>& cpus, bool keep_started);

/// The same for a worker: what cannot be loaded costs its own kernels alone, and is kept.
void load_kernels_or_keep_why(const std::string& file, const std::vector<int>& cpus);
/// Why plugins could not be loaded, by file.
const std::map<std::string, std::string>& plugins_not_loaded();
/// Why this process has no kernel of a name that the run has: "is not registered in this build", and what was
/// not loaded.
std::string why_not_registered();

/// Programs loaded here that say they can compute nothing here, and why. Their kernels are registered and say
/// the same.
std::vector<MissingEngine> unavailable_engines();

/// CPU time, since their start, of the programs loaded here that run.
double cpu_seconds_of_engine_programs();

/// Versions by "ENGINE NAME", of all that programs loaded here compute with.
std::map<std::string, std::string> engine_versions();

}  // namespace attnbench
