#pragma once

#include <map>
#include <string>

namespace attnbench {

/// Versions by name: those of the engines (see engine_libraries()), sqlite as loaded, fmt as compiled.
std::map<std::string, std::string> library_versions();

}  // namespace attnbench
