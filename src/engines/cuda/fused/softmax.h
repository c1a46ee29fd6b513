#pragma once

#include <cuda_runtime_api.h>

#include "engines/cuda/fused/work_list.h"
#include "engines/cuda/mask.h"
#include "engines/cuda/strided.h"

namespace attnbench::cuda {

/// How a thread block divides its work: warps over rows, 16 each, and warps over the keys of a tile; or,
/// wide, two warpgroups over rows (softmax_wide.h); or warpgroups of blocks that stay
/// (softmax_persistent.h).
struct SoftmaxForm {
  std::int32_t row_warps = 4;
  std::int32_t key_warps = 1;
  bool wide = false;
  std::int32_t groups = 0;  ///< warpgroups of a block that stays
  std::int32_t tile_keys = kTileKeys;
  std::int32_t rows() const { return groups > 0 ? 64 * groups : wide ? kWideRows : 16 * row_warps; }
  bool mapped() const { return wide || groups > 0; }  ///< whether tensor maps say what is copied
};

/// Thread blocks of a multiprocessor, where they stay.
constexpr std::int32_t persistent_blocks(std::int64_t head_dim, const SoftmaxForm& form) {
  return form.groups == 2 ? 1 : head_dim == 64 && form.tile_keys == kTileKeys ? 3 : 2;
}

/// Of a call: few rows over many keys are bound by memory and want many tiles on their way; many rows over
/// many keys are bound by products.
SoftmaxForm softmax_form(const Problem& problem);
/// Thread blocks of this form that the current device runs at once.
std::int32_t softmax_slots(const SoftmaxForm& form, DType dtype, std::int64_t head_dim,
                           std::int32_t multiprocessors);
/// What a work list is for, where `slots` thread blocks of the form run at once.
Blocks softmax_blocks(const SoftmaxForm& form, const Problem& problem, std::int32_t slots);

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
