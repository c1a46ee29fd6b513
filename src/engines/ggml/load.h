#pragma once

#include <map>
#include <string>

#include "engines/ggml/backend.h"

namespace attnbench::ggml {

/// The module, loaded by the first call, or why it cannot be used.
struct Loaded {
  const Backend* backend = nullptr;
  std::string problem;
  const void* entry = nullptr;
};
const Loaded& load();

/// What results of this engine depend on besides the program. Loads the module.
std::map<std::string, std::string> libraries();

}  // namespace attnbench::ggml
