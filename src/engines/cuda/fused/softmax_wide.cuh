#pragma once

#include "engines/cuda/elements.cuh"
#include "engines/cuda/fused/hopper.cuh"
#include "engines/cuda/fused/softmax_rows.cuh"
#include "engines/cuda/fused/softmax_weights.cuh"
#include "engines/cuda/fused/softmax_wide.h"

/// The kernel of launch_softmax_wide(). Each element type has a file of its own, so that they compile side by
/// side.
///
/// One warp copies tiles of K and V; two warpgroups of 64 rows each multiply (Shah et al. 2024,
/// FlashAttention-3, section 3): the scores of the next tile are on their way while the last ones become
/// probabilities, and the groups take turns with the tensor cores, so that one multiplies while the other
/// takes exponentials.
namespace attnbench::cuda {
namespace {

template <int kHeadDim>
struct WideForm {
  static constexpr int kGroups = 2;  // of 128 threads, which compute
  static constexpr int kThreads = 128 * (kGroups + 1);
  static constexpr int kRows = 64 * kGroups;
  static constexpr int kPanels = kHeadDim / 64;  // of 64 columns, 128 bytes
  static constexpr int kStages = kHeadDim == 64 ? 4 : 2;
  static constexpr int kPanelBytes = kWideTileKeys * 128;
  static constexpr int kTileBytes = kPanels * kPanelBytes;
  static constexpr int kGroupQBytes = 64 * kHeadDim * 2;
  static constexpr int kQBytes = kGroups * kGroupQBytes;
  static constexpr int kBytes = kQBytes + 2 * kStages * kTileBytes + 1024;  // the swizzle repeats every 1024
  static_assert(kRows == kWideRows);
};

/// Barriers of a block that threads of one warpgroup, or of both, wait at; 0 is __syncthreads().
enum Barrier : int { kTurn = 1, kQueries = 3 };

template <typename T, int kHeadDim>
__global__ void __launch_bounds__(WideForm<kHeadDim>::kThreads, 1)
    attend_wide(const SoftmaxCall call, const __grid_constant__ CUtensorMap k_map,
                const __grid_constant__ CUtensorMap v_map) {
  using F = WideForm<kHeadDim>;
  constexpr int kKeys = kWideTileKeys;
  extern __shared__ char shared[];
  __shared__ __align__(8) std::uint64_t barriers[4 * F::kStages];
  const auto q_base = (shared_address(shared) + 1023) & ~1023u;
  const auto k_base = q_base + F::kQBytes;
  const auto v_base = k_base + F::kStages * F::kTileBytes;
  const auto barrier = [&](int kind, int stage) {
    return shared_address(barriers + kind * F::kStages + stage);
  };
  enum { kKFull, kVFull, kKEmpty, kVEmpty };

  const WorkItem item = call.items[blockIdx.x];
  const int kv_head = static_cast<int>(blockIdx.y);
  const int warpgroup = __shfl_sync(kAllLanes, static_cast<int>(threadIdx.x) / 128, 0);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int tiles = item.tiles();
  const int global_tiles = item.global_tiles();
  const auto first_key = [&](int tile) {
    return tile < global_tiles ? item.global_begin + tile * kKeys
                               : item.begin + (tile - global_tiles) * kKeys;
  };

  if (threadIdx.x == 0) {
    for (int stage = 0; stage < F::kStages; ++stage) {
      init_barrier(barrier(kKFull, stage), 1);
      init_barrier(barrier(kVFull, stage), 1);
      init_barrier(barrier(kKEmpty, stage), 4 * F::kGroups);  // a warp each
      init_barrier(barrier(kVEmpty, stage), 4 * F::kGroups);
    }
    fence_barrier_init();
  }
  __syncthreads();

  if (warpgroup == F::kGroups) {
    give_registers<24>();
    if (threadIdx.x == F::kGroups * 128) {
      prefetch_map(k_map);
      prefetch_map(v_map);
      for (int tile = 0; tile < tiles; ++tile) {
        const int stage = tile % F::kStages;
        const auto parity = static_cast<std::uint32_t>(tile / F::kStages % 2 ^ 1);
        const int key = first_key(tile);
        const auto copy = [&](const CUtensorMap& map, std::uint32_t base, std::uint32_t full) {
          expect_bytes(full, F::kTileBytes);
#pragma unroll
          for (int panel = 0; panel < F::kPanels; ++panel)
            copy_box(base + stage * F::kTileBytes + panel * F::kPanelBytes, map, full, panel * 64, key,
                     kv_head, item.batch);
        };
        wait_barrier(barrier(kKEmpty, stage), parity);
        copy(k_map, k_base, barrier(kKFull, stage));
        wait_barrier(barrier(kVEmpty, stage), parity);
        copy(v_map, v_base, barrier(kVFull, stage));
      }
    }
    return;
  }
  take_registers<240>();

  const int thread = static_cast<int>(threadIdx.x) % 128;
  const int end_row = item.end_row;
  const int first_row = item.first_row + 64 * warpgroup;
  const auto q_mine = q_base + static_cast<std::uint32_t>(warpgroup * F::kGroupQBytes);
  // A negative scale negates q, which is exact; one of 0 makes q zeros.
  const std::uint32_t sign = call.scale < 0 ? 0x80008000u : 0u;
  const float c = call.scale == 0 ? 1.0f : fabsf(call.scale) * kLog2E;
  constexpr int kChunks = kHeadDim / 8;  // of 16 bytes in a row
#pragma unroll 4
  for (int n = thread; n < 64 * kChunks; n += 128) {
    const int row = n / kChunks, chunk = n % kChunks;
    uint4 values = make_uint4(0, 0, 0, 0);
    if (first_row + row < end_row && call.scale != 0) {
      const auto at = place_of(call, first_row + row, kv_head);
      values = *reinterpret_cast<const uint4*>(row_of<T>(call.q, item.batch, at.head, at.query) + chunk * 8);
      values = make_uint4(values.x ^ sign, values.y ^ sign, values.z ^ sign, values.w ^ sign);
    }
    store_chunk(
        q_mine + static_cast<std::uint32_t>(chunk / 8 * 64 * 128 + row * 128 + ((chunk ^ row) & 7) * 16),
        values);
  }
  fence_shared_for_products();
  sync_threads(kQueries + warpgroup, 128);

  // Each thread has two rows of its warp's 16, and of each 8 columns two.
  const int my_row = first_row + thread / 32 * 16 + lane / 4;
  Seen seen[2];
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = my_row + 8 * half;
    if (row < end_row) seen[half] = call.mask.seen(row / call.group + item.keys - call.q.rows, item.keys);
  }

  float o[kHeadDim / 2] = {};
  float s[kKeys / 2];
  std::uint32_t p[kKeys / 16][4];
  float maximum[2] = {-INFINITY, -INFINITY};
  float sum[2] = {0, 0};
  float factor[2];

  const auto scores = [&](int tile) {
    const auto k = k_base + static_cast<std::uint32_t>(tile % F::kStages * F::kTileBytes);
#pragma unroll
    for (int d = 0; d < kHeadDim / 16; ++d) {
      const auto column = static_cast<std::uint32_t>(d % 4 * 32);
      multiply_rows<T>(s, operand(q_mine + static_cast<std::uint32_t>(d / 4 * 64 * 128) + column),
                       operand(k + static_cast<std::uint32_t>(d / 4 * F::kPanelBytes) + column), d > 0);
    }
  };
  const auto accumulate = [&](int tile) {
    const auto v = v_base + static_cast<std::uint32_t>(tile % F::kStages * F::kTileBytes);
#pragma unroll
    for (int n = 0; n < kKeys / 16; ++n)
      multiply_columns<T>(o, p[n], operand(v + static_cast<std::uint32_t>(n * 16 * 128), F::kPanelBytes));
  };
  const auto wait_full = [&](int kind, int tile) {
    wait_barrier(barrier(kind, tile % F::kStages), static_cast<std::uint32_t>(tile / F::kStages % 2));
  };
  const auto release = [&](int kind, int tile) {
    if (lane == 0) arrive(barrier(kind, tile % F::kStages));
  };
  // Scores to probabilities, with the row's new maximum; `factor` is what sums so far are multiplied by.
  const auto normalise = [&](int tile) {
    const bool global = tile < global_tiles;
    const int first = first_key(tile);
    const bool full = !global && first >= item.full_begin && first + kKeys <= item.full_end;
    if (!full) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const auto& mine = seen[half];
        const int begin = global ? 0 : mine.begin;
        const int end = global ? min(mine.globals, item.global_end) : min(mine.end, item.end);
        const auto count = static_cast<unsigned>(max(end - begin, 0));
        const int place = first + lane % 4 * 2;
#pragma unroll
        for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
          for (int e = 0; e < 2; ++e) {
            const int key = place + n * 8 + e;
            if (static_cast<unsigned>(key - begin) >= count) s[4 * n + 2 * half + e] = -INFINITY;
          }
        }
      }
    }
    weigh(s, maximum, sum, factor, c);
  };
  const auto pack_probabilities = [&] {
#pragma unroll
    for (int n = 0; n < kKeys / 16; ++n) {
#pragma unroll
      for (int e = 0; e < 4; ++e) p[n][e] = pack<T>(s[8 * n + 2 * e], s[8 * n + 2 * e + 1]);
    }
  };
  const auto rescale = [&] {
    if (!__any_sync(kAllLanes, factor[0] != 1.0f || factor[1] != 1.0f)) return;
#pragma unroll
    for (int n = 0; n < kHeadDim / 2; ++n) o[n] *= factor[n / 2 % 2];
  };
  const auto hold_all = [&] {
    hold(s);
    hold(o);
#pragma unroll
    for (int n = 0; n < kKeys / 16; ++n) hold(p[n]);
  };

  if (tiles > 0) {
    if (warpgroup == 1) arrive_threads(kTurn, 256);  // the first turn is group 0's
    wait_full(kKFull, 0);
    begin_products();
    scores(0);
    commit_products();
    wait_products<0>();
    hold(s);
    release(kKEmpty, 0);
    normalise(0);
    pack_probabilities();
    for (int tile = 1; tile < tiles; ++tile) {
      wait_full(kKFull, tile);
      sync_threads(kTurn + warpgroup, 256);
      hold_all();
      begin_products();
      scores(tile);
      commit_products();
      wait_full(kVFull, tile - 1);
      accumulate(tile - 1);
      commit_products();
      arrive_threads(kTurn + 1 - warpgroup, 256);
      wait_products<1>();
      hold(s);
      release(kKEmpty, tile);
      normalise(tile);
      wait_products<0>();
      hold_all();
      release(kVEmpty, tile - 1);
      rescale();
      pack_probabilities();
    }
    wait_full(kVFull, tiles - 1);
    hold_all();
    begin_products();
    accumulate(tiles - 1);
    commit_products();
    wait_products<0>();
    hold(o);
  }

#pragma unroll
  for (int half = 0; half < 2; ++half) {
    sum[half] += __shfl_xor_sync(kAllLanes, sum[half], 1);
    sum[half] += __shfl_xor_sync(kAllLanes, sum[half], 2);
    const int row = my_row + 8 * half;
    if (row >= end_row) continue;
    const auto at = place_of(call, row, kv_head);
    const float inverse = sum[half] == 0 ? 0.0f : 1.0f / sum[half];
    auto* to = row_of<T>(call.o, item.batch, at.head, at.query) + lane % 4 * 2;
#pragma unroll
    for (int n = 0; n < kHeadDim / 8; ++n)
      *reinterpret_cast<std::uint32_t*>(to + n * 8) =
          pack<T>(o[4 * n + 2 * half] * inverse, o[4 * n + 2 * half + 1] * inverse);
    if (lane % 4 == 0) store_lse(call, item.batch, at, maximum[half], sum[half]);
  }
}

template <typename T, int kHeadDim>
cudaError_t launch_wide(const SoftmaxCall& call, const CUtensorMap& k_map, const CUtensorMap& v_map,
                        cudaStream_t stream) {
  using F = WideForm<kHeadDim>;
  constexpr auto kKernel = attend_wide<T, kHeadDim>;
  const auto error = cudaFuncSetAttribute(kKernel, cudaFuncAttributeMaxDynamicSharedMemorySize, F::kBytes);
  if (error != cudaSuccess) return error;
  const dim3 grid(static_cast<unsigned>(call.item_count), static_cast<unsigned>(call.kv_heads));
  kKernel<<<grid, F::kThreads, F::kBytes, stream>>>(call, k_map, v_map);
  return cudaGetLastError();
}

}  // namespace
}  // namespace attnbench::cuda
