#pragma once

#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/kernel.h"

#pragma GCC visibility push(default)

namespace attnbench {

/// All built-in kernels in a fixed order, then those of loaded plugins.
const std::vector<const KernelInfo*>& kernels();

/// Devices that this build's engines and loaded plugins offer here, "cpu" first.
std::vector<std::string> device_names();
/// Why engines of this build, and loaded plugins, offer no device here: a line for each that says so.
std::vector<std::string> missing_devices();
/// The device of that name; "cpu" is the host as given, and all others may use its threads beside their own.
/// Throws InputError("device", ...) naming those there are, and where its engine gives another or none.
std::unique_ptr<Device> open_device(std::string_view name, const CpuDevice& host);

/// An engine that this build lacks, and why.
struct MissingEngine {
  std::string name;
  std::string reason;
};
const std::vector<MissingEngine>& missing_engines();

/// What the results of this build's engines depend on besides the program, by name: libraries with their
/// versions as loaded, or why one cannot be. Loads what an engine loads when it is used. A run goes on only
/// where they are the same.
std::map<std::string, std::string> engine_libraries();

/// Loads kernels and devices from a shared object (see plugin.h). Throws InputError: not found, no entry
/// point, other ABI, a kernel or a device of the name of one that is there.
void load_plugin(const std::string& path);

/// The four parts of "mechanism(params)/kernel@engine[:path]".
struct KernelId {
  Mechanism mechanism;
  std::string kernel, engine, path;
};
/// Throws InputError with the nearest registered names.
KernelId parse_kernel_id(std::string_view text);
/// Null when no registered kernel has these parts and computes the mechanism.
const KernelInfo* find_kernel(const KernelId& id);

}  // namespace attnbench

#pragma GCC visibility pop
