#pragma once

#include <cuda.h>
#include <cuda_runtime_api.h>

#include "engines/cuda/fused/softmax.h"

namespace attnbench::cuda {

/// Tensor maps of a call, as keys_map() and rows_map() make them; those of k and v of boxes of as many keys
/// as a tile has.
struct PersistentMaps {
  CUtensorMap q, k, v, o;
};

/// softmax(scale Q K^T + mask) V, scale > 0, by thread blocks that stay and go through the work list:
/// warpgroups of 64 rows against tiles of 64 or 128 keys, by wgmma and the tensor memory accelerator. A
/// second launch merges parts. head_dim 64 or 128, bf16 or f16.
cudaError_t launch_softmax_persistent(const SoftmaxCall& call, const SoftmaxForm& form,
                                      const PersistentMaps& maps, const SplitUnits& split,
                                      std::int32_t multiprocessors, cudaStream_t stream);
cudaError_t launch_softmax_persistent_bf16(const SoftmaxCall& call, const SoftmaxForm& form,
                                           const PersistentMaps& maps, const SplitUnits& split,
                                           std::int32_t multiprocessors, cudaStream_t stream);
cudaError_t launch_softmax_persistent_f16(const SoftmaxCall& call, const SoftmaxForm& form,
                                          const PersistentMaps& maps, const SplitUnits& split,
                                          std::int32_t multiprocessors, cudaStream_t stream);

}  // namespace attnbench::cuda
