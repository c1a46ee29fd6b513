#pragma once

#include <string>

#include "core/system/machine_key.h"
#include "core/system/system_files.h"

namespace attnbench {

/// Changes at every start of the operating system; "not readable" where it does not tell.
std::string boot_id(const SystemFiles& files = SystemFiles());

}  // namespace attnbench
