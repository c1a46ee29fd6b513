#pragma once

#include <map>
#include <string>

#include "attnbench/kernel.h"

/// Begins the definition of a function that returns a kernel with static lifetime. The build collects these
/// lines (at the start of a line, one kernel each) from src/engines and generates the registry's list: adding
/// a kernel is adding its file.
///
///   ATTNBENCH_REGISTER_KERNEL(swa_masked) {
///     static const SwaMasked kernel;
///     return kernel;
///   }
#define ATTNBENCH_REGISTER_KERNEL(function)  \
  namespace attnbench::registered {          \
  const ::attnbench::KernelInfo& function(); \
  }                                          \
  const ::attnbench::KernelInfo& attnbench::registered::function()

/// The same for the devices of an engine: begins the definition of a function that returns its
/// DeviceProvider.
#define ATTNBENCH_REGISTER_DEVICES(function)     \
  namespace attnbench::registered {              \
  const ::attnbench::DeviceProvider& function(); \
  }                                              \
  const ::attnbench::DeviceProvider& attnbench::registered::function()

/// The same for the libraries that an engine's results depend on: begins the definition of a function that
/// returns their versions by name (see engine_libraries()).
#define ATTNBENCH_REGISTER_LIBRARIES(function)   \
  namespace attnbench::registered {              \
  std::map<std::string, std::string> function(); \
  }                                              \
  std::map<std::string, std::string> attnbench::registered::function()
