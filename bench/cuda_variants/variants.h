#pragma once

#include <cuda.h>

#include <cstdint>
#include <span>

#include "engines/cuda/fused/softmax.h"

/// Forms of kernels that are compared by bench_cuda_variants.
namespace attnbench::cuda {

/// A form of attend_persistent().
struct PersistentEntry {
  const char* name;
  int head_dim, rows, keys,
      blocks;  ///< rows of a thread block, keys of a tile, thread blocks of a multiprocessor
  cudaError_t (*launch)(const SoftmaxCall& call, const CUtensorMap& q, const CUtensorMap& k,
                        const CUtensorMap& v, const CUtensorMap& o, std::int32_t multiprocessors,
                        cudaStream_t stream);
};
std::span<const PersistentEntry> persistent_forms();

/// A form of attend(), by mma.sync.
struct MmaEntry {
  const char* name;
  int head_dim, row_warps, key_warps;
  cudaError_t (*launch)(const SoftmaxCall& call, cudaStream_t stream);
  std::int32_t (*blocks)();
};
std::span<const MmaEntry> mma_forms();

cudaError_t launch_merge_bf16(const SoftmaxCall& call, const WorkItem* units, int count, int rows,
                              int block_rows, cudaStream_t stream);
cudaError_t launch_wide_of(const SoftmaxCall& call, const CUtensorMap& k, const CUtensorMap& v,
                           cudaStream_t stream);

}  // namespace attnbench::cuda
