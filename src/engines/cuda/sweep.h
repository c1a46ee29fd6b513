#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace attnbench::cuda {

/// One launch that goes `sweeps` times through memory, past the L1, so that its start costs nothing beside
/// it. Bytes are a multiple of 16. read: all of it; what was read ends in `sink`, 4 bytes, so that it is
/// read.
cudaError_t launch_read_sweeps(const void* memory, std::int64_t bytes, int sweeps, int multiprocessors,
                               void* sink, cudaStream_t stream);
/// The first half of it to the second.
cudaError_t launch_copy_sweeps(void* memory, std::int64_t bytes, int sweeps, int multiprocessors,
                               cudaStream_t stream);
/// Random numbers of standard deviation near 1, as f32 or in 2 bytes a number as bf16 or f16.
cudaError_t launch_fill_random(void* memory, std::int64_t elements, int dtype, cudaStream_t stream);

}  // namespace attnbench::cuda
