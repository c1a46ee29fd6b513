#pragma once

#include <cuda_runtime_api.h>

namespace attnbench::cuda {

/// Holds the stream until the host sets *open to at least `ticket`, or for 2 ms. What is enqueued behind it
/// begins without waiting for the host. `open` is pinned host memory.
cudaError_t launch_gate(const volatile int* open, int ticket, cudaStream_t stream);

}  // namespace attnbench::cuda
