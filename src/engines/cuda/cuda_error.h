#pragma once

#include <cuda_runtime_api.h>

#include <string_view>

namespace attnbench::cuda {

/// Throws std::runtime_error naming the call, or the kernel, and the error, unless it is cudaSuccess.
void check(cudaError_t error, std::string_view call);

}  // namespace attnbench::cuda
