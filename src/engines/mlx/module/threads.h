#pragma once

#include <string>

#include "engines/mlx/backend.h"

namespace attnbench::mlx {

/// The BLAS that MLX's products on the CPU reach, in words, and why its threads cannot be the cell's; empty
/// if they can be.
struct Blas {
  std::string version;
  std::string problem;
};
const Blas& blas();

/// Gives MLX's stream on the CPU and OpenBLAS the threads and CPUs of the place. MLX computes on one thread
/// of its own, which calls OpenBLAS; that adds threads up to the place's number. All sleep between
/// evaluations. Nothing where blas() has a problem, and for a GPU.
void use(const Place& place);

}  // namespace attnbench::mlx
