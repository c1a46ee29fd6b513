#pragma once

#include <algorithm>
#include <type_traits>

#include "engines/cuda/elements.cuh"
#include "engines/cuda/fused/hopper.cuh"
#include "engines/cuda/fused/seen_rows.h"
#include "engines/cuda/fused/softmax_merge.cuh"
#include "engines/cuda/fused/softmax_persistent.h"
#include "engines/cuda/fused/softmax_rows.cuh"
#include "engines/cuda/fused/softmax_weights.cuh"

/// Softmax attention by thread blocks that stay: each computes one (work item, kv head) after the other.
///
/// One warp copies: queries of the next item and tiles of its keys are on their way while the last item ends. Warpgroups of
/// 64 rows share the tiles; each leaves out those that none of its rows sees. A warpgroup knows no bounds between items:
/// the scores of a tile are multiplied beside the values of the one before, whichever item that was of, and an item's
/// results are stored once the next item's first scores are there.
namespace attnbench::cuda {
namespace {

template <int kHeadDim_, int kGroups_, int kKeys_, int kSlots_, int kBlocks_>
struct PersistentForm {
  static constexpr int kHeadDim = kHeadDim_;
  static constexpr int kGroups = kGroups_;  ///< warpgroups of 64 rows
  static constexpr int kKeys = kKeys_;      ///< of a tile
  static constexpr int kSlots = kSlots_;    ///< tiles of K or V in shared memory
  static constexpr int kBlocks = kBlocks_;  ///< of a multiprocessor
  /// Queries are in registers, not read from shared memory for every tile, where the scores leave room for them.
  static constexpr bool kHeldQueries = kKeys == 64;
  static constexpr int kThreads = 128 * (kGroups + 1);
  // Registers of a thread at the start, of the warpgroup that copies and of those that compute.
  static constexpr int kRegisters = 65536 / (kThreads * kBlocks) / 8 * 8;
  static constexpr int kFew = 24;
  static constexpr int kShared = (kRegisters * (kGroups + 1) - kFew) / kGroups / 8 * 8;
  static constexpr int kMany = kShared < 240 ? kShared : 240;
  static constexpr int kRows = 64 * kGroups;
  static constexpr int kPanels = kHeadDim / 64;
  static constexpr int kPanelBytes = kKeys * 128;
  static constexpr int kTileBytes = kPanels * kPanelBytes;
  static constexpr int kGroupQBytes = 64 * kHeadDim * 2;
  static constexpr int kQBytes = kGroups * kGroupQBytes;
  static constexpr int kControlBytes = 512;
  static constexpr int kBytes = 2 * kQBytes + kSlots * kTileBytes + kControlBytes;
};

/// A place in the ring of tiles, and the parity of its barrier.
struct Slot {
  int index;
  std::uint32_t parity;
};
template <int kSlots>
struct Ring {
  Slot next{0, 0};
  __device__ Slot take() {
    const Slot taken = next;
    if (++next.index == kSlots) next = {0, next.parity ^ 1};
    return taken;
  }
};

template <typename T, typename F>
__global__ void __launch_bounds__(F::kThreads, F::kBlocks)
    attend_persistent(const SoftmaxCall call, const __grid_constant__ PersistentMaps maps) {
  constexpr int kHeadDim = F::kHeadDim, kKeys = F::kKeys;
  extern __shared__ __align__(1024) char shared[];
  struct Control {
    std::uint64_t full[F::kSlots], empty[F::kSlots], q_full[2], q_empty[2];
    WorkItem items[2];
  };
  static_assert(sizeof(Control) <= F::kControlBytes);
  auto& control = *reinterpret_cast<Control*>(shared + 2 * F::kQBytes + F::kSlots * F::kTileBytes);
  auto& full = control.full;
  auto& empty = control.empty;
  auto& q_full = control.q_full;
  auto& q_empty = control.q_empty;
  auto& items = control.items;
  const auto q_base = shared_address(shared);
  if (q_base % 1024 != 0) __trap();  // the swizzle repeats every 1024
  const auto tiles_base = q_base + 2 * F::kQBytes;
  const auto barrier = [](std::uint64_t* of, int n) { return shared_address(of + n); };

  const int works = call.item_count * call.kv_heads;
  const int warpgroup = __shfl_sync(kAllLanes, static_cast<int>(threadIdx.x) / 128, 0);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  // Where tiles of an item begin, with no division by a number that the compiler does not know.
  struct Tiles {
    int global_begin = 0, begin = 0, globals = 0, count = 0;
    __device__ int first_key(int tile) const {
      return tile < globals ? global_begin + tile * kKeys : begin + (tile - globals) * kKeys;
    }
  };
  const auto tiles_of = [](const WorkItem& item) {
    const int globals = (item.global_end - item.global_begin + kKeys - 1) / kKeys;
    const int count = globals + (item.end - item.begin + kKeys - 1) / kKeys;
    return Tiles{item.global_begin, item.begin, globals, max(count, 1)};  // rows that see no key: a tile, hidden
  };

  if (threadIdx.x == 0) {
    for (int slot = 0; slot < F::kSlots; ++slot) {
      init_barrier(barrier(full, slot), 1);
      init_barrier(barrier(empty, slot), 4 * F::kGroups);  // a warp each
    }
    for (int n = 0; n < 2; ++n) {
      init_barrier(barrier(q_full, n), 1);
      init_barrier(barrier(q_empty, n), F::kGroups);
    }
    fence_barrier_init();
  }
  __syncthreads();

  if (warpgroup == F::kGroups) {
    give_registers<F::kFew>();
    if (threadIdx.x != F::kGroups * 128) return;
    start_next_launch();  // the merging of parts waits for the end by itself
    prefetch_map(maps.q);
    prefetch_map(maps.k);
    prefetch_map(maps.v);
    prefetch_map(maps.o);
    Ring<F::kSlots> ring;
    const auto fill = [&](const CUtensorMap& map, int key, int kv_head, int batch) {
      const Slot slot = ring.take();
      wait_barrier(barrier(empty, slot.index), slot.parity ^ 1);
      expect_bytes(barrier(full, slot.index), F::kTileBytes);
#pragma unroll
      for (int panel = 0; panel < F::kPanels; ++panel)
        copy_box(tiles_base + slot.index * F::kTileBytes + panel * F::kPanelBytes, map, barrier(full, slot.index), panel * 64,
                 key, kv_head, batch);
    };
    int v_key = -1, v_head = 0, v_batch = 0;  // values are copied after the keys of the next tile
    int turn = 0;
    for (int work = static_cast<int>(blockIdx.x); work < works; work += static_cast<int>(gridDim.x), ++turn) {
      const WorkItem item = call.items[work % call.item_count];
      const int kv_head = work / call.item_count;
      const int buffer = turn % 2;
      wait_barrier(barrier(q_empty, buffer), static_cast<std::uint32_t>(turn / 2 % 2 ^ 1));
      items[buffer] = item;
      expect_bytes(barrier(q_full, buffer), F::kQBytes);
      const int query = item.first_row / F::kRows * F::kRows / call.group;
#pragma unroll
      for (int group = 0; group < F::kGroups; ++group) {
#pragma unroll
        for (int panel = 0; panel < F::kPanels; ++panel)
          copy_rows(q_base + buffer * F::kQBytes + group * F::kGroupQBytes + panel * 64 * 128, maps.q,
                    barrier(q_full, buffer), panel * 64, query + group * 64 / call.group, kv_head, item.batch);
      }
      const auto tiles = tiles_of(item);
      for (int tile = 0; tile < tiles.count; ++tile) {
        const int key = tiles.first_key(tile);
        fill(maps.k, key, kv_head, item.batch);
        if (v_key >= 0) fill(maps.v, v_key, v_head, v_batch);
        v_key = key;
        v_head = kv_head;
        v_batch = item.batch;
      }
    }
    if (v_key >= 0) fill(maps.v, v_key, v_head, v_batch);
    return;
  }
  take_registers<F::kMany>();

  const int thread = static_cast<int>(threadIdx.x) % 128;
  const int warp_row = thread / 32 * 16;             // of the warpgroup's 64
  const int my_row = 64 * warpgroup + warp_row + lane / 4;  // of the block's, and that 8 further
  const float c = call.scale * kLog2E;               // > 0

  float o[kHeadDim / 2] = {};
  float s[kKeys / 2];
  std::uint32_t p[kKeys / 16][4];
  std::uint32_t held[F::kHeldQueries ? kHeadDim / 16 : 1][4];
  float maximum[2] = {-INFINITY, -INFINITY}, sum[2] = {0, 0}, factor[2];

  // What this thread's rows and those of the warpgroup see of the item at hand.
  Seen seen[2];
  SeenRows rows;
  Tiles tiles;
  int first = 0;

  const auto q_of = [&](int turn) {
    return q_base + static_cast<std::uint32_t>(turn % 2 * F::kQBytes + warpgroup * F::kGroupQBytes);
  };
  const auto scores = [&](int turn, Slot slot) {
    const auto q = q_of(turn);
    const auto k = tiles_base + static_cast<std::uint32_t>(slot.index * F::kTileBytes);
#pragma unroll
    for (int d = 0; d < kHeadDim / 16; ++d) {
      const auto column = static_cast<std::uint32_t>(d % 4 * 32);
      const auto b = operand(k + static_cast<std::uint32_t>(d / 4 * F::kPanelBytes) + column);
      if constexpr (F::kHeldQueries)
        multiply_rows<T>(s, held[d], b, d > 0);
      else
        multiply_rows<T>(s, operand(q + static_cast<std::uint32_t>(d / 4 * 64 * 128) + column), b, d > 0);
    }
  };
  const auto accumulate = [&](Slot slot) {
    const auto v = tiles_base + static_cast<std::uint32_t>(slot.index * F::kTileBytes);
#pragma unroll
    for (int n = 0; n < kKeys / 16; ++n)
      multiply_columns<T>(o, p[n], operand(v + static_cast<std::uint32_t>(n * 16 * 128), F::kPanelBytes));
  };
  const auto wait_full = [&](Slot slot) { wait_barrier(barrier(full, slot.index), slot.parity); };
  const auto release = [&](Slot slot) {
    if (lane == 0) arrive(barrier(empty, slot.index));
  };
  const auto hold_all = [&] {
    hold(s);
    hold(o);
#pragma unroll
    for (int n = 0; n < kKeys / 16; ++n) hold(p[n]);
    if constexpr (F::kHeldQueries) {
#pragma unroll
      for (int d = 0; d < kHeadDim / 16; ++d) hold(held[d]);
    }
  };
  // A stored item's queries lay where its results are copied from.
  int stored = -1;
  const auto release_queries = [&] {
    if (stored < 0) return;
    if (thread == 0) {
      wait_stores_read();
      arrive(barrier(q_empty, stored));
    }
    stored = -1;
  };

  // Scores to probabilities, with the row's new maximum; `factor` is what sums so far are multiplied by.
  const auto normalise = [&](int tile) {
    const bool global = tile < tiles.globals;
    if (!rows.all(global, first, kKeys)) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int begin = global ? 0 : seen[half].begin;
        const auto count = static_cast<unsigned>(max((global ? seen[half].globals : seen[half].end) - begin, 0));
        const int place = first + lane % 4 * 2 - begin;
#pragma unroll
        for (int n = 0; n < kKeys / 8; ++n) {
#pragma unroll
          for (int e = 0; e < 2; ++e) {
            if (static_cast<unsigned>(place + (n * 8 + e)) >= count) s[4 * n + 2 * half + e] = -INFINITY;
          }
        }
      }
    }
    weigh(s, maximum, sum, factor, c);
  };

  // Results of an item whose rows have these maxima and sums.
  const auto store = [&](int turn, int kv_head, const float (&maxima)[2], float (&sums)[2]) {
    const WorkItem& item = items[turn % 2];
    const int base_row = item.first_row / F::kRows * F::kRows;
    const int first_row = item.first_row, end_row = item.end_row;
    const bool boxes = item.parts == 1 && first_row == base_row &&
                       (end_row == base_row + F::kRows || end_row == call.q.rows * call.group);
    const std::int64_t part_rows = (static_cast<std::int64_t>(item.first_part) * call.kv_heads +
                                    kv_head * item.parts + item.part) * F::kRows - first_row;
    const bool parts = item.parts > 1;
    const int batch = item.batch;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      sums[half] += __shfl_xor_sync(kAllLanes, sums[half], 1);
      sums[half] += __shfl_xor_sync(kAllLanes, sums[half], 2);
      const int row = base_row + my_row + 8 * half;
      const bool mine = row >= first_row && row < end_row;
      if (parts) {
        if (!mine) continue;
        auto* to = call.part_values + (part_rows + row) * kHeadDim + lane % 4 * 2;
#pragma unroll
        for (int n = 0; n < kHeadDim / 8; ++n)
          *reinterpret_cast<float2*>(to + n * 8) = make_float2(o[4 * n + 2 * half], o[4 * n + 2 * half + 1]);
        if (lane % 4 == 0) call.part_sums[part_rows + row] = make_float2(maxima[half], sums[half]);
        continue;
      }
      const float inverse = sums[half] == 0 ? 0.0f : 1.0f / sums[half];
#pragma unroll
      for (int n = 0; n < kHeadDim / 8; ++n) {
        o[4 * n + 2 * half] *= inverse;
        o[4 * n + 2 * half + 1] *= inverse;
      }
      if (!mine) continue;
      const auto at = place_of(call, row, kv_head);
      if (lane % 4 == 0) store_lse(call, batch, at, maxima[half], sums[half]);
      if (boxes) continue;
      auto* to = row_of<T>(call.o, batch, at.head, at.query) + lane % 4 * 2;
#pragma unroll
      for (int n = 0; n < kHeadDim / 8; ++n)
        *reinterpret_cast<std::uint32_t*>(to + n * 8) = pack<T>(o[4 * n + 2 * half], o[4 * n + 2 * half + 1]);
    }
    if (boxes) {
      const auto to = q_of(turn);
      const int row = warp_row + lane % 16;
#pragma unroll
      for (int n = 0; n < kHeadDim / 8; n += 2) {
        const int chunk = n + lane / 16;
        store_matrices(to + static_cast<std::uint32_t>(chunk / 8 * 64 * 128 + row * 128 + ((chunk ^ row) & 7) * 16),
                       pack<T>(o[4 * n], o[4 * n + 1]), pack<T>(o[4 * n + 2], o[4 * n + 3]),
                       pack<T>(o[4 * n + 4], o[4 * n + 5]), pack<T>(o[4 * n + 6], o[4 * n + 7]));
      }
      fence_shared_for_products();
    }
    sync_threads(1 + warpgroup, 128);
    if (boxes && thread == 0) {
#pragma unroll
      for (int panel = 0; panel < F::kPanels; ++panel)
        store_rows(maps.o, q_of(turn) + panel * 64 * 128, panel * 64, base_row / call.group + warpgroup * 64 / call.group,
                   kv_head, batch);
      commit_stores();
    }
    stored = turn % 2;
#pragma unroll
    for (float& x : o) x = 0;
  };

  Ring<F::kSlots> ring;
  bool due = false;  // whether p waits for its values
  bool begun = false;
  int turn = -1, tile = -1;
  for (int work = static_cast<int>(blockIdx.x) - static_cast<int>(gridDim.x);;) {
    ++tile;
    const bool fresh = tile == tiles.count;
    bool there = true;
    float last_maximum[2], last_sum[2];
    if (fresh) {
      last_maximum[0] = maximum[0];
      last_maximum[1] = maximum[1];
      last_sum[0] = sum[0];
      last_sum[1] = sum[1];
      work += static_cast<int>(gridDim.x);
      there = work < works;
      release_queries();
      if (there) {
        ++turn;
        tile = 0;
        wait_barrier(barrier(q_full, turn % 2), static_cast<std::uint32_t>(turn / 2 % 2));
        if constexpr (F::kHeldQueries) {
#pragma unroll
          for (int d = 0; d < kHeadDim / 16; ++d) {
            const int row = warp_row + lane % 16, chunk = d * 2 + lane / 16;
            load_matrices(held[d], q_of(turn) + static_cast<std::uint32_t>(chunk / 8 * 64 * 128 + row * 128 +
                                                                          ((chunk ^ row) & 7) * 16));
          }
        }
        const WorkItem& item = items[turn % 2];
        tiles = tiles_of(item);
        const int base_row = item.first_row / F::kRows * F::kRows;
#pragma unroll
        for (int half = 0; half < 2; ++half)
          seen[half] = seen_of_item(item, call.mask, call.q.rows, call.group, base_row + my_row + 8 * half);
        rows = seen_by_rows(item, call.mask, call.q.rows, call.group, base_row + 64 * warpgroup,
                            base_row + 64 * warpgroup + 63);
#pragma unroll
        for (int half = 0; half < 2; ++half) {
          maximum[half] = -INFINITY;
          sum[half] = 0;
        }
      }
    }
    Slot k_slot{}, v_slot{};
    if (there) {
      k_slot = ring.take();
      first = tiles.first_key(tile);
    }
    if (begun) v_slot = ring.take();
    const bool mine = __any_sync(kAllLanes, there && rows.any(tile < tiles.globals, first, kKeys));
    if (mine && due) {
      wait_full(k_slot);
      hold_all();
      begin_products();
      scores(turn, k_slot);
      commit_products();
      wait_full(v_slot);
      accumulate(v_slot);
      commit_products();
      wait_products<1>();
      hold(s);
      release(k_slot);
      normalise(tile);
      wait_products<0>();
      hold_all();
      release(v_slot);
    } else if (mine) {
      wait_full(k_slot);
      hold_all();
      begin_products();
      scores(turn, k_slot);
      commit_products();
      wait_products<0>();
      hold(s);
      release(k_slot);
      normalise(tile);
      if (begun) {
        wait_full(v_slot);
        release(v_slot);
      }
    } else {
      if (there) {
        wait_full(k_slot);
        release(k_slot);
      }
      if (begun) wait_full(v_slot);
      if (due) {
        hold_all();
        begin_products();
        accumulate(v_slot);
        commit_products();
        wait_products<0>();
        hold(o);
      }
      if (begun) release(v_slot);
    }
    if (!fresh) {
      release_queries();
      if (mine && __any_sync(kAllLanes, factor[0] != 1.0f || factor[1] != 1.0f)) {
#pragma unroll
        for (int n = 0; n < kHeadDim / 2; ++n) o[n] *= factor[n / 2 % 2];
      }
    } else if (begun) {
      const int last_work = work - static_cast<int>(gridDim.x);
      store(there ? turn - 1 : turn, last_work / call.item_count, last_maximum, last_sum);
    }
    if (!there) break;
    if (mine) {
#pragma unroll
      for (int n = 0; n < kKeys / 16; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) p[n][e] = pack<T>(s[8 * n + 2 * e], s[8 * n + 2 * e + 1]);
      }
    }
    due = mine;
    begun = true;
  }
  if (thread == 0) wait_stores();
}

/// A form of the kernel with what its launch needs.
template <typename T, typename F>
struct PersistentLauncher {
  static constexpr auto kKernel = attend_persistent<T, F>;

  static cudaError_t launch(const SoftmaxCall& call, const PersistentMaps& maps, std::int32_t multiprocessors,
                            cudaStream_t stream) {
    const auto error = cudaFuncSetAttribute(kKernel, cudaFuncAttributeMaxDynamicSharedMemorySize, F::kBytes);
    if (error != cudaSuccess) return error;
    const auto works = call.item_count * call.kv_heads;
    const auto blocks = static_cast<unsigned>(std::min(works, multiprocessors * F::kBlocks));
    kKernel<<<blocks, F::kThreads, F::kBytes, stream>>>(call, maps);
    return cudaGetLastError();
  }
};

/// The forms that softmax_form() chooses: head_dim, warpgroups, keys of a tile, slots of the ring, blocks of a multiprocessor.
template <typename T, int kHeadDim>
cudaError_t launch_persistent(const SoftmaxCall& call, const SoftmaxForm& form, const PersistentMaps& maps,
                              const SplitUnits& split, std::int32_t multiprocessors, cudaStream_t stream) {
  using Long = std::conditional_t<kHeadDim == 64, PersistentForm<64, 1, 128, 5, 2>, PersistentForm<128, 2, 128, 5, 1>>;
  using Short = std::conditional_t<kHeadDim == 64, PersistentForm<64, 1, 64, 7, 3>, PersistentForm<128, 1, 64, 5, 2>>;
  const auto launch = [&](auto one) {
    using F = decltype(one);
    static_assert(F::kBlocks == persistent_blocks(kHeadDim, SoftmaxForm{4, 1, false, F::kGroups, F::kKeys}));
    const auto error = PersistentLauncher<T, F>::launch(call, maps, multiprocessors, stream);
    return error == cudaSuccess ? launch_merge<T, kHeadDim>(call, split, F::kRows, stream) : error;
  };
  return form.tile_keys == kTileKeys ? launch(Short()) : launch(Long());
}

}  // namespace
}  // namespace attnbench::cuda
