#pragma once

#include <map>
#include <string>

namespace attnbench {

/// Versions by name: onednn (accelerate on macOS) and sqlite as loaded, highway and fmt as compiled.
std::map<std::string, std::string> library_versions();

}  // namespace attnbench
