#pragma once

#include <string>

#include "core/system/system_files.h"

namespace attnbench {

/// Hex hash of what does not change while the hardware stays: CPU vendor, model and stepping, instruction
/// sets, numbers of CPUs and cores, caches, memory rounded to GiB. Holds no host name.
std::string machine_key(const SystemFiles& files = SystemFiles());

}  // namespace attnbench
