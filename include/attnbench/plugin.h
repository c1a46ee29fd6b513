#pragma once

#include "attnbench/host_kernel.h"

#pragma GCC visibility push(default)

/// A plugin is a shared object that defines the functions below with C linkage; attnbench_plugin_devices()
/// may be left out. It is compiled against the public headers with the same compiler and standard library as
/// the program that loads it.

namespace attnbench {
/// Rises when a type in the public headers changes.
inline constexpr int kPluginAbi = 4;
}  // namespace attnbench

extern "C" {
/// Returns attnbench::kPluginAbi.
int attnbench_plugin_abi();
/// Returns a null-terminated array of kernels that lives as long as the program.
const attnbench::KernelInfo* const* attnbench_plugin_kernels();
/// Returns the devices that the plugin's kernels compute on besides the CPU; lives as long as the program.
const attnbench::DeviceProvider* attnbench_plugin_devices();
}

#pragma GCC visibility pop
