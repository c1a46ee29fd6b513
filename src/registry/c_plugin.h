#pragma once

#include <string>

namespace attnbench {

/// Loads the kernels of a shared object that defines attnbench_c_plugin_version() (attnbench/plugin_c.h).
/// `library` is what dlopen() gave. False where it does not define it. Throws InputError("plugin", file,
/// ...).
bool load_c_plugin(void* library, const std::string& file);

}  // namespace attnbench
