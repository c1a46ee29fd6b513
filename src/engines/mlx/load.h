#pragma once

#include <map>
#include <string>

#include "engines/mlx/backend.h"

namespace attnbench::mlx {

/// The module, loaded by the first call, or why it cannot be.
struct Loaded {
  Backend* backend = nullptr;
  std::string problem;
  const void* entry = nullptr;
};
const Loaded& load();

/// What results of this engine depend on besides the program: MLX, its BLAS, the module. Loads it.
std::map<std::string, std::string> libraries();

}  // namespace attnbench::mlx
