#pragma once

#include <cooperative_groups.h>

#include <cmath>

#include "engines/cuda/elements.cuh"
#include "engines/cuda/fused/softmax.h"
#include "engines/cuda/fused/tensor_core.cuh"

/// The kernel of launch_softmax(). Each element type has a file of its own, so that they compile side by side.
namespace attnbench::cuda {
namespace {

constexpr float kLog2E = 1.4426950408889634f;
constexpr unsigned kAllLanes = 0xffffffffu;

template <int kHeadDim, int kRowWarps, int kKeyWarps, int kStages>
struct Form {
  static constexpr int kRows = 16 * kRowWarps;
  static constexpr int kThreads = 32 * kRowWarps * kKeyWarps;
  static constexpr int kWarpKeys = kTileKeys / kKeyWarps;  // of a tile
  static constexpr int kTileBytes = kTileKeys * kHeadDim * 2;
  static constexpr int kQBytes = kRows * kHeadDim * 2;
  static constexpr int kTilesBytes = 2 * kStages * kTileBytes;
  static constexpr int kPartBytes = (kKeyWarps + 1) * kRows * (kHeadDim * 4 + 8);
  static constexpr int kMergeBytes = kRows * kMostParts * 4;
  static constexpr int kMost = kPartBytes > kMergeBytes ? kPartBytes : kMergeBytes;
  static constexpr int kBytes = kQBytes + kTilesBytes > kMost ? kQBytes + kTilesBytes : kMost;
};

/// Where a row of packed queries lies.
struct RowPlace {
  int query, head;
};
__device__ RowPlace place_of(const SoftmaxCall& call, int row, int kv_head) {
  return {row / call.group, kv_head * call.group + row % call.group};
}

template <typename T>
__device__ T* row_of(const Strided& view, int batch, int head, int row) {
  return static_cast<T*>(view.data) + batch * view.batch_stride + head * view.head_stride +
         row * view.row_stride;
}

/// m in units of the scores, c the factor from those to powers of two.
__device__ void store_lse(const SoftmaxCall& call, int batch, RowPlace at, float m, float sum) {
  if (call.lse.data == nullptr) return;
  *row_of<float>(call.lse, batch, at.head, at.query) =
      sum == 0 ? -INFINITY : m * fabsf(call.scale) + logf(sum);
}

/// Four columns of a row over all its parts, not yet divided by the sum.
struct Merged {
  float4 value;
  float maximum, sum;
};

/// sums(n) are a part's maximum and sum of p, values(n) its sums of p v.
template <int kMost, typename Sums, typename Values>
__device__ Merged merge(int parts, float c, Sums sums, Values values) {
  float2 each[kMost];
  float4 part[kMost];
#pragma unroll
  for (int n = 0; n < kMost; ++n) {
    each[n] = make_float2(-INFINITY, 0);
    part[n] = make_float4(0, 0, 0, 0);
    if (n < parts) {
      each[n] = sums(n);
      part[n] = values(n);
    }
  }
  Merged merged{make_float4(0, 0, 0, 0), -INFINITY, 0};
#pragma unroll
  for (int n = 0; n < kMost; ++n) merged.maximum = fmaxf(merged.maximum, each[n].x);
  const float base = merged.maximum == -INFINITY ? 0.0f : merged.maximum;
#pragma unroll
  for (int n = 0; n < kMost; ++n) {
    const float weight = exp2_fast((each[n].x - base) * c);
    merged.sum += weight * each[n].y;
    merged.value.x += weight * part[n].x;
    merged.value.y += weight * part[n].y;
    merged.value.z += weight * part[n].z;
    merged.value.w += weight * part[n].w;
  }
  return merged;
}

template <typename T>
__device__ void store_row(const SoftmaxCall& call, const WorkItem& item, int kv_head, int row, int quad,
                          const Merged& merged) {
  const auto at = place_of(call, item.first_row + row, kv_head);
  const float inverse = merged.sum == 0 ? 0.0f : 1.0f / merged.sum;
  const auto& value = merged.value;
  *reinterpret_cast<uint2*>(row_of<T>(call.o, item.batch, at.head, at.query) + quad * 4) =
      make_uint2(pack<T>(value.x * inverse, value.y * inverse), pack<T>(value.z * inverse, value.w * inverse));
  if (quad == 0) store_lse(call, item.batch, at, merged.maximum, merged.sum);
}

template <typename T, int kHeadDim, int kRowWarps, int kKeyWarps, int kStages>
__global__ void __launch_bounds__(32 * kRowWarps * kKeyWarps) attend(const SoftmaxCall call) {
  using F = Form<kHeadDim, kRowWarps, kKeyWarps, kStages>;
  constexpr int kRows = F::kRows;
  constexpr int kChunks = kHeadDim / 8;  // of 16 bytes in a row
  extern __shared__ __align__(128) char shared[];
  const auto q_base = shared_address(shared);
  const auto tiles_base = q_base + F::kQBytes;

  const WorkItem item = call.items[blockIdx.x];
  const int kv_head = static_cast<int>(blockIdx.y);
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int row_warp = warp % kRowWarps, key_warp = warp / kRowWarps;
  const int rows_in_all = call.q.rows * call.group;
  const int global_tiles = item.global_tiles();
  const int tiles = item.tiles();

  const auto* k_head = row_of<T>(call.k, item.batch, kv_head, 0);
  const auto* v_head = row_of<T>(call.v, item.batch, kv_head, 0);
  const auto load_tile = [&](int tile) {
    const bool global = tile < global_tiles;
    const int first = global ? item.global_begin + tile * kTileKeys
                             : item.begin + (tile - global_tiles) * kTileKeys;
    const int end = global ? item.global_end : item.end;
    const auto k_base = tiles_base + static_cast<std::uint32_t>(tile % kStages * 2 * F::kTileBytes);
    const auto v_base = k_base + F::kTileBytes;
    constexpr int kRowsAtOnce = F::kThreads / kChunks;
    const int chunk = static_cast<int>(threadIdx.x) % kChunks;
#pragma unroll
    for (int n = 0; n < kTileKeys / kRowsAtOnce; ++n) {
      const int row = n * kRowsAtOnce + static_cast<int>(threadIdx.x) / kChunks;
      const bool there = first + row < end;
      const std::int64_t key = there ? first + row : first;
      copy_async(swizzled<kHeadDim>(k_base, row, chunk), k_head + key * call.k.row_stride + chunk * 8, there);
    }
#pragma unroll
    for (int n = 0; n < kTileKeys / kRowsAtOnce; ++n) {
      const int row = n * kRowsAtOnce + static_cast<int>(threadIdx.x) / kChunks;
      const bool there = first + row < end;
      const std::int64_t key = there ? first + row : first;
      copy_async(swizzled<kHeadDim>(v_base, row, chunk), v_head + key * call.v.row_stride + chunk * 8, there);
    }
  };

  for (int n = static_cast<int>(threadIdx.x); n < kRows * kChunks; n += F::kThreads) {
    const int row = n / kChunks, chunk = n % kChunks;
    const bool there = item.first_row + row < rows_in_all;
    const auto at = place_of(call, there ? item.first_row + row : item.first_row, kv_head);
    copy_async(swizzled<kHeadDim>(q_base, row, chunk), row_of<T>(call.q, item.batch, at.head, at.query) + chunk * 8,
               there);
  }
#pragma unroll
  for (int stage = 0; stage < kStages - 1; ++stage) {
    if (stage < tiles) load_tile(stage);
    commit_copies();
  }

  // Each thread has two rows of its warp's 16, and of each 8 columns two.
  const int my_row = row_warp * 16 + lane / 4;
  Seen seen[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = item.first_row + my_row + 8 * half;
    if (row < rows_in_all) seen[half] = call.mask.seen(row / call.group + item.keys - call.q.rows, item.keys);
  }

  // A negative scale negates q, which is exact; one of 0 makes q zeros.
  const std::uint32_t sign = call.scale < 0 ? 0x80008000u : 0u;
  const float c = call.scale == 0 ? 1.0f : fabsf(call.scale) * kLog2E;
  wait_copies<kStages - 2>();
  __syncthreads();
  std::uint32_t q[kHeadDim / 16][4];
#pragma unroll
  for (int d = 0; d < kHeadDim / 16; ++d) {
    load_matrices(q[d], swizzled<kHeadDim>(q_base, row_warp * 16 + lane % 16, d * 2 + lane / 16));
#pragma unroll
    for (int n = 0; n < 4; ++n) q[d][n] = call.scale == 0 ? 0u : q[d][n] ^ sign;
  }

  float o[kHeadDim / 8][4] = {};
  float maximum[2] = {-INFINITY, -INFINITY};
  float sum[2] = {0, 0};
  for (int tile = 0; tile < tiles; ++tile) {
    if (tile > 0) {
      wait_copies<kStages - 2>();
      __syncthreads();
    }
    if (tile + kStages - 1 < tiles) load_tile(tile + kStages - 1);
    commit_copies();

    const auto k_base = tiles_base + static_cast<std::uint32_t>(tile % kStages * 2 * F::kTileBytes);
    const auto v_base = k_base + F::kTileBytes;
    const int warp_key = key_warp * F::kWarpKeys;
    float s[F::kWarpKeys / 8][4] = {};
#pragma unroll
    for (int d = 0; d < kHeadDim / 16; ++d) {
#pragma unroll
      for (int n = 0; n < F::kWarpKeys / 16; ++n) {
        std::uint32_t k[4];
        load_matrices(k, swizzled<kHeadDim>(k_base, warp_key + n * 16 + lane % 8 + lane / 16 * 8,
                                            d * 2 + lane / 8 % 2));
        multiply<T>(s[2 * n], q[d], k[0], k[1]);
        multiply<T>(s[2 * n + 1], q[d], k[2], k[3]);
      }
    }

    const bool global = tile < global_tiles;
    const int first = global ? item.global_begin + tile * kTileKeys
                             : item.begin + (tile - global_tiles) * kTileKeys;
    const bool full = !global && first >= item.full_begin && first + kTileKeys <= item.full_end;
    const bool mixed = !global && (seen[0].globals > first || seen[1].globals > first);
    if (__any_sync(kAllLanes, mixed)) {
      const int end = item.end;
#pragma unroll
      for (int n = 0; n < F::kWarpKeys / 8; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          const int key = first + warp_key + n * 8 + lane % 4 * 2 + e % 2;
          const auto& mine = seen[e / 2];
          const bool visible = key < mine.globals || (key >= mine.begin && key < mine.end);
          if (!visible || key >= end) s[n][e] = -INFINITY;
        }
      }
    } else if (!full) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const auto& mine = seen[half];
        const int begin = global ? 0 : mine.begin;
        const int end = global ? min(mine.globals, item.global_end) : min(mine.end, item.end);
        const auto count = static_cast<unsigned>(max(end - begin, 0));
        const int offset = first + warp_key + lane % 4 * 2 - begin;
#pragma unroll
        for (int n = 0; n < F::kWarpKeys / 8; ++n) {
#pragma unroll
          for (int e = 0; e < 2; ++e) {
            if (static_cast<unsigned>(offset + n * 8 + e) >= count) s[n][2 * half + e] = -INFINITY;
          }
        }
      }
    }

    float factor[2];
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      float highest = maximum[half];
#pragma unroll
      for (int n = 0; n < F::kWarpKeys / 8; ++n) highest = fmaxf(highest, fmaxf(s[n][2 * half], s[n][2 * half + 1]));
      highest = fmaxf(highest, __shfl_xor_sync(kAllLanes, highest, 1));
      highest = fmaxf(highest, __shfl_xor_sync(kAllLanes, highest, 2));
      const float base = highest == -INFINITY ? 0.0f : highest;
      factor[half] = exp2_fast((maximum[half] - base) * c);
      maximum[half] = highest;
      float added = 0;
#pragma unroll
      for (int n = 0; n < F::kWarpKeys / 8; ++n) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          float& p = s[n][2 * half + e];
          p = exp2_fast((p - base) * c);
          added += p;
        }
      }
      sum[half] = sum[half] * factor[half] + added;
    }
    if (__any_sync(kAllLanes, factor[0] != 1.0f || factor[1] != 1.0f)) {
#pragma unroll
      for (int n = 0; n < kHeadDim / 8; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) o[n][e] *= factor[e / 2];
      }
    }
#pragma unroll
    for (int n = 0; n < F::kWarpKeys / 16; ++n) {
      const std::uint32_t p[4] = {pack<T>(s[2 * n][0], s[2 * n][1]), pack<T>(s[2 * n][2], s[2 * n][3]),
                                  pack<T>(s[2 * n + 1][0], s[2 * n + 1][1]),
                                  pack<T>(s[2 * n + 1][2], s[2 * n + 1][3])};
#pragma unroll
      for (int d = 0; d < kHeadDim / 16; ++d) {
        std::uint32_t v[4];
        load_matrices_transposed(v, swizzled<kHeadDim>(v_base, warp_key + n * 16 + lane % 16, d * 2 + lane / 16));
        multiply<T>(o[2 * d], p, v[0], v[1]);
        multiply<T>(o[2 * d + 1], p, v[2], v[3]);
      }
    }
  }
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    sum[half] += __shfl_xor_sync(kAllLanes, sum[half], 1);
    sum[half] += __shfl_xor_sync(kAllLanes, sum[half], 2);
  }

  const auto part_at = [&](int part) {
    return static_cast<std::int64_t>(item.first_part) * call.kv_heads + kv_head * item.parts + part;
  };
  const auto part_row = [&](int part, int row) { return part_at(part) * kRows + row; };
  const int valid = min(kRows, rows_in_all - item.first_row);
  constexpr int kQuads = kHeadDim / 4;

  // What this block has of a row, for the cluster to read.
  auto* block_values = reinterpret_cast<float*>(shared);
  auto* block_sums = reinterpret_cast<float2*>(shared + kRows * kHeadDim * 4);
  const bool clustered = call.cluster > 1;
  if constexpr (kKeyWarps == 1) {
    if (clustered) {
      wait_copies<0>();
      __syncthreads();
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = my_row + 8 * half;
      if (row >= valid) continue;
      if (item.parts > 1) {
        auto* values = clustered ? block_values + row * kHeadDim
                                 : call.part_values + part_row(item.part, row) * kHeadDim;
        auto* sums = clustered ? block_sums + row : call.part_sums + part_row(item.part, row);
#pragma unroll
        for (int n = 0; n < kHeadDim / 8; ++n)
          *reinterpret_cast<float2*>(values + n * 8 + lane % 4 * 2) = make_float2(o[n][2 * half], o[n][2 * half + 1]);
        if (lane % 4 == 0) *sums = make_float2(maximum[half], sum[half]);
        continue;
      }
      const auto at = place_of(call, item.first_row + row, kv_head);
      const float inverse = sum[half] == 0 ? 0.0f : 1.0f / sum[half];
      auto* to = row_of<T>(call.o, item.batch, at.head, at.query) + lane % 4 * 2;
#pragma unroll
      for (int n = 0; n < kHeadDim / 8; ++n)
        *reinterpret_cast<std::uint32_t*>(to + n * 8) =
            pack<T>(o[n][2 * half] * inverse, o[n][2 * half + 1] * inverse);
      if (lane % 4 == 0) store_lse(call, item.batch, at, maximum[half], sum[half]);
    }
  } else {
    // Warps over the keys have parts of the same rows: merge them by way of shared memory.
    wait_copies<0>();
    __syncthreads();
    constexpr int kBlockBytes = kRows * (kHeadDim * 4 + 8);
    auto* values = reinterpret_cast<float*>(shared + kBlockBytes);
    auto* sums = reinterpret_cast<float2*>(shared + kBlockBytes + kKeyWarps * kRows * kHeadDim * 4);
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = key_warp * kRows + my_row + 8 * half;
#pragma unroll
      for (int n = 0; n < kHeadDim / 8; ++n)
        *reinterpret_cast<float2*>(values + row * kHeadDim + n * 8 + lane % 4 * 2) =
            make_float2(o[n][2 * half], o[n][2 * half + 1]);
      if (lane % 4 == 0) sums[row] = make_float2(maximum[half], sum[half]);
    }
    __syncthreads();
    for (int n = static_cast<int>(threadIdx.x); n < valid * kQuads; n += F::kThreads) {
      const int row = n / kQuads, quad = n % kQuads;
      const auto merged = merge<kKeyWarps>(
          kKeyWarps, c, [&](int w) { return sums[w * kRows + row]; },
          [&](int w) { return reinterpret_cast<const float4*>(values + (w * kRows + row) * kHeadDim)[quad]; });
      if (item.parts > 1) {
        auto* to = clustered ? block_values + row * kHeadDim : call.part_values + part_row(item.part, row) * kHeadDim;
        auto* to_sums = clustered ? block_sums + row : call.part_sums + part_row(item.part, row);
        reinterpret_cast<float4*>(to)[quad] = merged.value;
        if (quad == 0) *to_sums = make_float2(merged.maximum, merged.sum);
        continue;
      }
      store_row<T>(call, item, kv_head, row, quad, merged);
    }
  }
  if (item.parts == 1) return;

  if (clustered) {
    const auto cluster = cooperative_groups::this_cluster();
    cluster.sync();
    const int step = item.parts * F::kThreads;
    for (int n = item.part + item.parts * static_cast<int>(threadIdx.x); n < valid * kQuads; n += step) {
      const int row = n / kQuads, quad = n % kQuads;
      const auto merged = merge<kMostClusterParts>(
          item.parts, c,
          [&](int part) { return *cluster.map_shared_rank(block_sums + row, static_cast<unsigned>(part)); },
          [&](int part) {
            return *cluster.map_shared_rank(reinterpret_cast<float4*>(block_values + row * kHeadDim) + quad,
                                            static_cast<unsigned>(part));
          });
      store_row<T>(call, item, kv_head, row, quad, merged);
    }
    cluster.sync();  // others may still read this block's memory
    return;
  }

  // The part that is done last merges all.
  __shared__ bool last;
  __threadfence();
  __syncthreads();
  if (threadIdx.x == 0) {
    auto* arrived = call.arrived + item.unit * call.kv_heads + kv_head;
    last = atomicAdd(arrived, 1) == item.parts - 1;
    if (last) *arrived = 0;
  }
  __syncthreads();
  if (!last) return;
  __threadfence();
  auto* weights = reinterpret_cast<float*>(shared);  // row, part
  for (int row = warp; row < valid; row += F::kThreads / 32) {
    float highest = -INFINITY;
    for (int part = lane; part < item.parts; part += 32)
      highest = fmaxf(highest, __ldcg(&call.part_sums[part_row(part, row)]).x);
    for (int other = 16; other > 0; other /= 2) highest = fmaxf(highest, __shfl_xor_sync(kAllLanes, highest, other));
    const float base = highest == -INFINITY ? 0.0f : highest;
    float total = 0;
    for (int part = lane; part < item.parts; part += 32) {
      const auto sums = __ldcg(&call.part_sums[part_row(part, row)]);
      const float weight = exp2_fast((sums.x - base) * c);
      weights[row * kMostParts + part] = weight;
      total += weight * sums.y;
    }
    for (int other = 16; other > 0; other /= 2) total += __shfl_xor_sync(kAllLanes, total, other);
    __syncwarp();
    const float inverse = total == 0 ? 0.0f : 1.0f / total;
    for (int part = lane; part < item.parts; part += 32) weights[row * kMostParts + part] *= inverse;
    if (lane == 0) store_lse(call, item.batch, place_of(call, item.first_row + row, kv_head), highest, total);
  }
  __syncthreads();
  for (int n = static_cast<int>(threadIdx.x); n < valid * kQuads; n += F::kThreads) {
    const int row = n / kQuads, quad = n % kQuads;
    float4 value = make_float4(0, 0, 0, 0);
#pragma unroll 16
    for (int part = 0; part < item.parts; ++part) {
      const float weight = weights[row * kMostParts + part];
      const auto values =
          __ldcg(reinterpret_cast<const float4*>(call.part_values + part_row(part, row) * kHeadDim) + quad);
      value.x += weight * values.x;
      value.y += weight * values.y;
      value.z += weight * values.z;
      value.w += weight * values.w;
    }
    const auto at = place_of(call, item.first_row + row, kv_head);
    *reinterpret_cast<uint2*>(row_of<T>(call.o, item.batch, at.head, at.query) + quad * 4) =
        make_uint2(pack<T>(value.x, value.y), pack<T>(value.z, value.w));
  }
}

template <typename T, int kHeadDim, int kRowWarps, int kKeyWarps, int kStages>
cudaError_t launch(const SoftmaxCall& call, cudaStream_t stream) {
  using F = Form<kHeadDim, kRowWarps, kKeyWarps, kStages>;
  const auto kernel = attend<T, kHeadDim, kRowWarps, kKeyWarps, kStages>;
  const auto error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, F::kBytes);
  if (error != cudaSuccess) return error;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(static_cast<unsigned>(call.item_count), static_cast<unsigned>(call.kv_heads));
  config.blockDim = dim3(F::kThreads);
  config.dynamicSmemBytes = F::kBytes;
  config.stream = stream;
  cudaLaunchAttribute attribute{};
  if (call.cluster > 1) {
    attribute.id = cudaLaunchAttributeClusterDimension;
    attribute.val.clusterDim = {static_cast<unsigned>(call.cluster), 1, 1};
    config.attrs = &attribute;
    config.numAttrs = 1;
    const auto allowed = cudaFuncSetAttribute(kernel, cudaFuncAttributeNonPortableClusterSizeAllowed, 1);
    if (allowed != cudaSuccess) return allowed;
  }
  return cudaLaunchKernelEx(&config, kernel, call);
}

template <typename T, int kHeadDim>
cudaError_t launch_form(const SoftmaxCall& call, const SoftmaxForm& form, cudaStream_t stream) {
  constexpr int kManyStages = kHeadDim == 64 ? 6 : 5;
  if (form.row_warps == 1) return launch<T, kHeadDim, 1, 4, kManyStages>(call, stream);
  if (form.row_warps == 2) return launch<T, kHeadDim, 2, 4, kManyStages>(call, stream);
  if (form.key_warps == 2) return launch<T, kHeadDim, 4, 2, kManyStages>(call, stream);
  return launch<T, kHeadDim, 4, 1, 2>(call, stream);
}

template <typename T>
cudaError_t launch_type(const SoftmaxCall& call, const SoftmaxForm& form, cudaStream_t stream) {
  return call.q.width == 64 ? launch_form<T, 64>(call, form, stream) : launch_form<T, 128>(call, form, stream);
}

}  // namespace
}  // namespace attnbench::cuda
