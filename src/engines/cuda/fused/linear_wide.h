#pragma once

#include <cuda.h>
#include <cuda_runtime_api.h>

#include <cstdint>

#include "engines/cuda/fused/linear.h"

namespace attnbench::cuda {

/// Tokens that a thread block of the wide form takes at a time.
inline constexpr std::int32_t kWideTokens = 128;

/// Tensor maps of a call, as keys_map() makes them with kWideTokens rows.
struct LinearMaps {
  CUtensorMap q, k, v;
};

/// What launch_linear() computes, head_dim 128, by products of warpgroups (wgmma) over tiles that the tensor
/// memory accelerator copies. One thread block a multiprocessor.
cudaError_t launch_linear_wide(const LinearCall& call, const LinearMaps& maps, cudaStream_t stream);

}  // namespace attnbench::cuda
