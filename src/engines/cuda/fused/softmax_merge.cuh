#pragma once

#include "engines/cuda/elements.cuh"
#include "engines/cuda/fused/hopper.cuh"
#include "engines/cuda/fused/softmax_rows.cuh"
#include "engines/cuda/fused/tensor_core.cuh"

/// Merges what parts of units left in SoftmaxCall::part_values and part_sums: a warp for each row.
namespace attnbench::cuda {
namespace {

inline constexpr int kMergeWarps = 4;

/// `units` are items of the call, one of each unit that is split; `block_rows` rows have a place in each part.
template <typename T, int kHeadDim>
__global__ void __launch_bounds__(32 * kMergeWarps)
    merge_parts(const SoftmaxCall call, const WorkItem* units, int block_rows) {
  constexpr int kPartsOfLane = kMostParts / 32, kColumns = kHeadDim / 32, kAtOnce = 16;
  __shared__ float weights[kMergeWarps][kMostParts];
  wait_for_last_launch();  // whose parts these are
  const WorkItem item = units[blockIdx.y];
  const int kv_head = static_cast<int>(blockIdx.z);
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int row = static_cast<int>(blockIdx.x) * kMergeWarps + warp;
  if (row >= item.end_row - item.first_row) return;
  const float c = call.scale == 0 ? 1.0f : fabsf(call.scale) * kLog2E;
  const auto place = [&](int part) {
    return (static_cast<std::int64_t>(item.first_part) * call.kv_heads + kv_head * item.parts + part) * block_rows + row;
  };
  float2 sums[kPartsOfLane];
  float highest = -INFINITY, total = 0;
#pragma unroll
  for (int n = 0; n < kPartsOfLane; ++n) {
    const int part = n * 32 + lane;
    sums[n] = part < item.parts ? __ldcg(&call.part_sums[place(part)]) : make_float2(-INFINITY, 0);
    highest = fmaxf(highest, sums[n].x);
  }
  for (int other = 16; other > 0; other /= 2) highest = fmaxf(highest, __shfl_xor_sync(kAllLanes, highest, other));
  const float base = highest == -INFINITY ? 0.0f : highest;
#pragma unroll
  for (int n = 0; n < kPartsOfLane; ++n) {
    const float weight = exp2_fast((sums[n].x - base) * c);
    weights[warp][n * 32 + lane] = weight;
    total += weight * sums[n].y;
  }
  for (int other = 16; other > 0; other /= 2) total += __shfl_xor_sync(kAllLanes, total, other);
  __syncwarp();
  float value[kColumns] = {};
  for (int first = 0; first < item.parts; first += kAtOnce) {
    using Columns = std::conditional_t<kColumns == 4, float4, float2>;
    union {
      Columns all;
      float each[kColumns];
    } part[kAtOnce];
#pragma unroll
    for (int n = 0; n < kAtOnce; ++n) {
      if (first + n < item.parts)
        part[n].all = __ldcg(reinterpret_cast<const Columns*>(call.part_values + place(first + n) * kHeadDim) + lane);
    }
#pragma unroll
    for (int n = 0; n < kAtOnce; ++n) {
      if (first + n >= item.parts) continue;
#pragma unroll
      for (int column = 0; column < kColumns; ++column) value[column] += weights[warp][first + n] * part[n].each[column];
    }
  }
  const float inverse = total == 0 ? 0.0f : 1.0f / total;
  const auto at = place_of(call, item.first_row + row, kv_head);
  auto* to = row_of<T>(call.o, item.batch, at.head, at.query) + lane * kColumns;
#pragma unroll
  for (int column = 0; column < kColumns; column += 2)
    *reinterpret_cast<std::uint32_t*>(to + column) = pack<T>(value[column] * inverse, value[column + 1] * inverse);
  if (lane == 0) store_lse(call, item.batch, at, highest, total);
}

/// After the kernel that leaves the parts, in the same stream. A launch of its own, which is there before that kernel ends
/// (programmatic dependent launch): merging by the part that was done last took longer, 14.7 us against 11.8 for 8 queries
/// over 4096 keys and 172 against 142 for 64 rows over 131072 (H200).
template <typename T, int kHeadDim>
cudaError_t launch_merge(const SoftmaxCall& call, const SplitUnits& split, int block_rows, cudaStream_t stream) {
  if (split.count == 0) return cudaSuccess;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>((split.rows + kMergeWarps - 1) / kMergeWarps), static_cast<unsigned>(split.count),
                        static_cast<unsigned>(call.kv_heads));
  config.blockDim = dim3(32 * kMergeWarps);
  config.stream = stream;
  cudaLaunchAttribute early{};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  config.attrs = &early;
  config.numAttrs = 1;
  return cudaLaunchKernelEx(&config, merge_parts<T, kHeadDim>, call, split.items, block_rows);
}

}  // namespace
}  // namespace attnbench::cuda
