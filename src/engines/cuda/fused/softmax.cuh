#pragma once

#include "engines/cuda/elements.cuh"
#include "engines/cuda/fused/hopper.cuh"
#include "engines/cuda/fused/softmax_merge.cuh"
#include "engines/cuda/fused/softmax_rows.cuh"
#include "engines/cuda/fused/softmax_weights.cuh"
#include "engines/cuda/fused/tensor_core.cuh"

/// The kernel of launch_softmax(). Each element type has a file of its own, so that they compile side by side.
namespace attnbench::cuda {
namespace {

template <int kHeadDim, int kRowWarps, int kKeyWarps, int kStages>
struct Form {
  static constexpr int kRows = 16 * kRowWarps;
  static constexpr int kThreads = 32 * kRowWarps * kKeyWarps;
  static constexpr int kWarpKeys = kTileKeys / kKeyWarps;  // of a tile
  static constexpr int kTileBytes = kTileKeys * kHeadDim * 2;
  static constexpr int kQBytes = kRows * kHeadDim * 2;
  static constexpr int kTilesBytes = 2 * kStages * kTileBytes;
  static constexpr int kPartBytes = kKeyWarps * kRows * (kHeadDim * 4 + 8);
  static constexpr int kBytes = kQBytes + kTilesBytes > kPartBytes ? kQBytes + kTilesBytes : kPartBytes;
};

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

  start_next_launch();  // the merging of parts waits for the end by itself
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
    // Operands are loaded in groups, one group ahead of the products. Where several blocks share a multiprocessor they
    // hide each other's latency, and the registers that this takes cost more than it gains.
    constexpr bool kAhead = kKeyWarps > 1;
    constexpr int kKeys16 = F::kWarpKeys / 16, kDims16 = kHeadDim / 16;
    constexpr int kMostLoads = kAhead ? 8 : 1;
    constexpr int kGroup = kKeys16 * kDims16 < kMostLoads ? kKeys16 * kDims16 : kMostLoads;
    constexpr int kGroups = kKeys16 * kDims16 / kGroup;
    std::uint32_t b[2][kGroup][4];
    const auto load_k = [&](int group) {
#pragma unroll
      for (int n = 0; n < kGroup; ++n) {
        const int at = group * kGroup + n;
        load_matrices(b[group % 2][n],
                      swizzled<kHeadDim>(k_base, warp_key + at % kKeys16 * 16 + lane % 8 + lane / 16 * 8,
                                         at / kKeys16 * 2 + lane / 8 % 2));
      }
    };
    const auto load_v = [&](int group) {
#pragma unroll
      for (int n = 0; n < kGroup; ++n) {
        const int at = group * kGroup + n;
        load_matrices_transposed(b[group % 2][n],
                                 swizzled<kHeadDim>(v_base, warp_key + at / kDims16 * 16 + lane % 16,
                                                    at % kDims16 * 2 + lane / 16));
      }
    };
    float s[F::kWarpKeys / 2] = {};
    if constexpr (kAhead) load_k(0);
#pragma unroll
    for (int group = 0; group < kGroups; ++group) {
      if constexpr (!kAhead) load_k(group);
      if (kAhead && group + 1 < kGroups) load_k(group + 1);
#pragma unroll
      for (int n = 0; n < kGroup; ++n) {
        const int at = group * kGroup + n;
        const auto& k = b[group % 2][n];
        multiply<T>(s + at % kKeys16 * 8, q[at / kKeys16], k[0], k[1]);
        multiply<T>(s + at % kKeys16 * 8 + 4, q[at / kKeys16], k[2], k[3]);
      }
    }
    if constexpr (kAhead) load_v(0);

    const bool global = tile < global_tiles;
    const int first = global ? item.global_begin + tile * kTileKeys
                             : item.begin + (tile - global_tiles) * kTileKeys;
    const bool full = !global && first >= item.full_begin && first + kTileKeys <= item.full_end;
    if (!full) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const auto& mine = seen[half];
        const int begin = global ? 0 : mine.begin;
        const int end = global ? min(mine.globals, item.global_end) : min(mine.end, item.end);
        const auto count = static_cast<unsigned>(max(end - begin, 0));
        const int place = first + warp_key + lane % 4 * 2;
#pragma unroll
        for (int n = 0; n < F::kWarpKeys / 8; ++n) {
#pragma unroll
          for (int e = 0; e < 2; ++e) {
            const int key = place + n * 8 + e;
            if (static_cast<unsigned>(key - begin) >= count) s[4 * n + 2 * half + e] = -INFINITY;
          }
        }
      }
    }

    float factor[2];
    weigh(s, maximum, sum, factor, c);
    if (__any_sync(kAllLanes, factor[0] != 1.0f || factor[1] != 1.0f)) {
#pragma unroll
      for (int n = 0; n < kHeadDim / 8; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) o[n][e] *= factor[e / 2];
      }
    }
#pragma unroll
    for (int group = 0; group < kGroups; ++group) {
      if constexpr (!kAhead) load_v(group);
      if (kAhead && group + 1 < kGroups) load_v(group + 1);
#pragma unroll
      for (int n = 0; n < kGroup; ++n) {
        const int at = group * kGroup + n;
        const auto* x = s + at / kDims16 * 8;
        const std::uint32_t p[4] = {pack<T>(x[0], x[1]), pack<T>(x[2], x[3]), pack<T>(x[4], x[5]),
                                    pack<T>(x[6], x[7])};
        const auto& v = b[group % 2][n];
        multiply<T>(o[at % kDims16 * 2], p, v[0], v[1]);
        multiply<T>(o[at % kDims16 * 2 + 1], p, v[2], v[3]);
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
  const int valid = item.end_row - item.first_row;
  constexpr int kQuads = kHeadDim / 4;

  if constexpr (kKeyWarps == 1) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int row = my_row + 8 * half;
      if (row >= valid) continue;
      if (item.parts > 1) {
        auto* values = call.part_values + part_row(item.part, row) * kHeadDim;
        auto* sums = call.part_sums + part_row(item.part, row);
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
    auto* values = reinterpret_cast<float*>(shared);
    auto* sums = reinterpret_cast<float2*>(shared + kKeyWarps * kRows * kHeadDim * 4);
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
        auto* to = call.part_values + part_row(item.part, row) * kHeadDim;
        auto* to_sums = call.part_sums + part_row(item.part, row);
        reinterpret_cast<float4*>(to)[quad] = merged.value;
        if (quad == 0) *to_sums = make_float2(merged.maximum, merged.sum);
        continue;
      }
      store_row<T>(call, item, kv_head, row, quad, merged);
    }
  }
}

/// A form of the kernel with what its launch needs.
template <typename T, int kHeadDim, int kRowWarps, int kKeyWarps, int kStages>
struct Launcher {
  using F = Form<kHeadDim, kRowWarps, kKeyWarps, kStages>;
  static constexpr auto kKernel = attend<T, kHeadDim, kRowWarps, kKeyWarps, kStages>;

  static cudaError_t launch(const SoftmaxCall& call, const SplitUnits& split, cudaStream_t stream) {
    if (const auto error = allow(); error != cudaSuccess) return error;
    const dim3 grid(static_cast<unsigned>(call.item_count), static_cast<unsigned>(call.kv_heads));
    kKernel<<<grid, F::kThreads, F::kBytes, stream>>>(call);
    if (const auto error = cudaGetLastError(); error != cudaSuccess) return error;
    return launch_merge<T, kHeadDim>(call, split, F::kRows, stream);
  }
  static std::int32_t blocks() {
    int count = 0;
    const bool known = allow() == cudaSuccess && cudaOccupancyMaxActiveBlocksPerMultiprocessor(
                                                     &count, kKernel, F::kThreads, F::kBytes) == cudaSuccess;
    if (!known) cudaGetLastError();
    return known ? count : 0;
  }

 private:
  static cudaError_t allow() {
    return cudaFuncSetAttribute(kKernel, cudaFuncAttributeMaxDynamicSharedMemorySize, F::kBytes);
  }
};

/// Calls body(Launcher()) with that of the form. Warps over keys: two blocks a multiprocessor have 96 KB of tiles each.
template <typename T, int kHeadDim, typename Body>
auto with_form(const SoftmaxForm& form, Body body) {
  constexpr int kManyStages = 3 * 128 / kHeadDim;
  if (form.row_warps == 1) return body(Launcher<T, kHeadDim, 1, 4, kManyStages>());
  if (form.row_warps == 2) return body(Launcher<T, kHeadDim, 2, 2, kManyStages>());
  return body(Launcher<T, kHeadDim, 4, 1, 2>());
}
template <typename T, typename Body>
auto with_form(const SoftmaxForm& form, std::int64_t head_dim, Body body) {
  return head_dim == 64 ? with_form<T, 64>(form, body) : with_form<T, 128>(form, body);
}

}  // namespace
}  // namespace attnbench::cuda
