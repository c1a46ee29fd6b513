#pragma once

#include <map>
#include <string>

#include "engines/mlx/backend.h"

namespace attnbench::mlx {

/// The module, loaded by the first call, or why it cannot be. It is found beside the program (by the
/// program's RUNPATH) or on LD_LIBRARY_PATH.
struct Loaded {
  Backend* backend = nullptr;
  std::string problem;
};
const Loaded& load();

/// What results of this engine depend on besides the program: MLX, its BLAS, the module. Loads it.
std::map<std::string, std::string> libraries();

}  // namespace attnbench::mlx
