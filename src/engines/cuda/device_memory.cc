#include "engines/cuda/device_memory.h"

#include <cuda_runtime_api.h>
#include <fmt/format.h>

#include "engines/cuda/cuda_error.h"

namespace attnbench::cuda {

DeviceMemory::DeviceMemory(std::int64_t bytes) {
  check(cudaMalloc(&data_, static_cast<std::size_t>(bytes)), fmt::format("cudaMalloc of {} bytes", bytes));
}

DeviceMemory::~DeviceMemory() { cudaFree(data_); }

}  // namespace attnbench::cuda
