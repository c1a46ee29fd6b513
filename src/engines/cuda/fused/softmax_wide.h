#pragma once

#include <cuda.h>
#include <cuda_runtime_api.h>

#include "engines/cuda/fused/softmax.h"

namespace attnbench::cuda {

/// softmax(scale Q K^T + mask) V where rows are many: 128 of them a thread block against tiles of 128 keys,
/// by products of warpgroups (wgmma) and copies of the tensor memory accelerator. head_dim 64 or 128, bf16 or
/// f16; items of one part, tiles of kWideTileKeys. The maps are of K and V, as keys_map() makes them.
cudaError_t launch_softmax_wide(const SoftmaxCall& call, const CUtensorMap& k_map, const CUtensorMap& v_map,
                                cudaStream_t stream);
cudaError_t launch_softmax_wide_bf16(const SoftmaxCall& call, const CUtensorMap& k_map,
                                     const CUtensorMap& v_map, cudaStream_t stream);
cudaError_t launch_softmax_wide_f16(const SoftmaxCall& call, const CUtensorMap& k_map,
                                    const CUtensorMap& v_map, cudaStream_t stream);

}  // namespace attnbench::cuda
