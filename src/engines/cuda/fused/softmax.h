#pragma once

#include <cuda_runtime_api.h>

#include "engines/cuda/fused/softmax_form.h"
#include "engines/cuda/fused/work_list.h"
#include "engines/cuda/mask.h"
#include "engines/cuda/strided.h"

namespace attnbench::cuda {

/// Thread blocks of this form that the current device runs at once.
std::int32_t softmax_slots(const SoftmaxForm& form, DType dtype, std::int64_t head_dim,
                           std::int32_t multiprocessors);
struct SoftmaxCall {
  Strided q, k, v, o, lse;  ///< lse may have no data
  const WorkItem* items = nullptr;
  std::int32_t item_count = 0;
  std::int32_t kv_heads = 1, group = 1;
  Mask mask;
  float scale = 1;
  /// Results of parts: sums of p v (part, kv head, row, head_dim), and the row's maximum and sum of p.
  float* part_values = nullptr;
  float2* part_sums = nullptr;
};

/// One item of each unit that is split, and the largest number of their rows.
struct SplitUnits {
  const WorkItem* items = nullptr;
  std::int32_t count = 0, rows = 0;
};

/// softmax(scale Q K^T + mask) V by split rows and keys; head_dim 64 or 128, bf16 or f16, tensor cores
/// (mma.sync), asynchronous copies. A second launch merges parts.
cudaError_t launch_softmax(const SoftmaxCall& call, const SoftmaxForm& form, const SplitUnits& split,
                           cudaStream_t stream);
cudaError_t launch_softmax_bf16(const SoftmaxCall& call, const SoftmaxForm& form, const SplitUnits& split,
                                cudaStream_t stream);
cudaError_t launch_softmax_f16(const SoftmaxCall& call, const SoftmaxForm& form, const SplitUnits& split,
                               cudaStream_t stream);

/// Blocks that a multiprocessor of the current device runs at once.
std::int32_t softmax_blocks_bf16(const SoftmaxForm& form, std::int64_t head_dim);
std::int32_t softmax_blocks_f16(const SoftmaxForm& form, std::int64_t head_dim);

}  // namespace attnbench::cuda
