#include "engines/cuda/cuda_error.h"

#include <fmt/format.h>

#include <stdexcept>

namespace attnbench::cuda {

void check(cudaError_t error, std::string_view call) {
  if (error == cudaSuccess) return;
  throw std::runtime_error(
      fmt::format("{}: {} ({})", call, cudaGetErrorString(error), cudaGetErrorName(error)));
}

}  // namespace attnbench::cuda
