#include "engines/cuda/fused/linear_wide.h"

#include "engines/cuda/fused/linear.cuh"

/// Linear attention by blocks of warpgroups. phi is applied to operands on their way from shared memory to registers where
/// a product takes them from there, and by warps of their own to the keys that a causal product reads twice in shared
/// memory. A warpgroup has 64 rows of a tile of queries and the 64 rows of the state that belong to as many features.
namespace attnbench::cuda {
namespace {

constexpr int kDim = 128, kPanels = 2;  // columns; panels of 64
constexpr int kGroups = 2;              // warpgroups that multiply
constexpr int kRows = kWideTokens;
constexpr int kPanelBytes = kRows * 128, kTileBytes = kPanels * kPanelBytes;
constexpr std::uint32_t kOnes = 0x3f803f80;  // of bf16

/// Where 8 columns of a row lie in a tile.
__device__ std::uint32_t place(int row, int chunk) {
  return static_cast<std::uint32_t>(chunk / 8 * kPanelBytes + row * 128 + ((chunk ^ row) & 7) * 16);
}

/// The rows of a head from `row` on. The barrier counts their bytes.
__device__ void copy_tile(std::uint32_t to, const CUtensorMap& map, std::uint32_t barrier, int row, int head, int batch) {
#pragma unroll
  for (int panel = 0; panel < kPanels; ++panel)
    copy_box(to + panel * kPanelBytes, map, barrier, panel * 64, row, head, batch);
}

struct SumForm {
  static constexpr int kStages = 3;
  static constexpr int kThreads = 128 * kGroups + 32;
  static constexpr int kStageBytes = 2 * kTileBytes;  // K, V
  static constexpr int kBarriers = kStages * kStageBytes;
  static constexpr int kBytes = kBarriers + 16 * kStages;
};

/// Sums over the keys of each chunk. K goes through registers, transposed, to become phi(K)^T; V is read where it is.
__global__ void __launch_bounds__(SumForm::kThreads, 1)
    sum_chunks_wide(const LinearCall call, const __grid_constant__ LinearMaps maps) {
  using F = SumForm;
  extern __shared__ __align__(1024) char shared[];
  start_next_launch();
  const auto base = shared_address(shared);
  if (base % 1024 != 0) __trap();  // the swizzle repeats every 1024
  const auto full = [&](int stage) { return base + F::kBarriers + 8 * stage; };
  const auto empty = [&](int stage) { return full(F::kStages + stage); };
  const int warp = __shfl_sync(kAllLanes, static_cast<int>(threadIdx.x) / 32, 0);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const int item = static_cast<int>(blockIdx.y);  // batch entry and kv head
  const int first = static_cast<int>(blockIdx.x) * call.chunk;
  const int end = min(first + call.chunk, call.k.rows);
  const int tiles = (end - first + kRows - 1) / kRows;
  // The last tile first: what the L2 then still has is what the next launch reads first.
  const auto position = [&](int turn) { return first + (tiles - 1 - turn) * kRows; };

  if (threadIdx.x == 0) {
    for (int stage = 0; stage < F::kStages; ++stage) {
      init_barrier(full(stage), 1);
      init_barrier(empty(stage), 4 * kGroups);  // a warp each
    }
    fence_barrier_init();
  }
  __syncthreads();

  if (warp == 4 * kGroups) {
    if (lane > 0) return;
    prefetch_map(maps.k);
    prefetch_map(maps.v);
    const int batch = item / call.kv_heads, head = item % call.kv_heads;
    for (int turn = 0; turn < tiles; ++turn) {
      const int stage = turn % F::kStages;
      const auto at = base + static_cast<std::uint32_t>(stage * F::kStageBytes);
      wait_barrier(empty(stage), static_cast<std::uint32_t>(turn / F::kStages % 2 ^ 1));
      expect_bytes(full(stage), F::kStageBytes);
      copy_tile(at, maps.k, full(stage), position(turn), head, batch);
      copy_tile(at + kTileBytes, maps.v, full(stage), position(turn), head, batch);
    }
    return;
  }

  const auto features = place(lane % 8 + lane / 16 * 8, warp * 2 + lane / 8 % 2);  // 16, of as many tokens
  float sums[kDim / 2] = {};
  float z[4] = {};
  for (int turn = 0; turn < tiles; ++turn) {
    const int stage = turn % F::kStages;
    const auto k_base = base + static_cast<std::uint32_t>(stage * F::kStageBytes);
    const auto v_base = k_base + kTileBytes;
    const int there = end - position(turn);
    wait_barrier(full(stage), static_cast<std::uint32_t>(turn / F::kStages % 2));
    std::uint32_t k[kRows / 16][4];
#pragma unroll
    for (int part = 0; part < 2; ++part) {  // the products of one while operands of the next are made
      constexpr int kSteps = kRows / 32;
#pragma unroll
      for (int n = part * kSteps; n < (part + 1) * kSteps; ++n)
        load_matrices_transposed(k[n], k_base + features + static_cast<std::uint32_t>(n * 16 * 128));
#pragma unroll
      for (int n = part * kSteps; n < (part + 1) * kSteps; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) k[n][e] = phi_pair(k[n][e]);
      }
      if (there < kRows) {
#pragma unroll
        for (int n = part * kSteps; n < (part + 1) * kSteps; ++n) {
#pragma unroll
          for (int e = 0; e < 4; ++e) {
            const int token = n * 16 + e / 2 * 8 + lane % 4 * 2;
            if (token >= there) k[n][e] = 0;
            if (token + 1 == there) k[n][e] &= 0xffff;
          }
        }
      }
#pragma unroll
      for (int n = part * kSteps; n < (part + 1) * kSteps; ++n) hold(k[n]);
      begin_products();
#pragma unroll
      for (int n = part * kSteps; n < (part + 1) * kSteps; ++n)
        multiply_columns<T>(sums, k[n], operand(v_base + static_cast<std::uint32_t>(n * 16 * 128), kPanelBytes));
      commit_products();
#pragma unroll
      for (int n = part * kSteps; n < (part + 1) * kSteps; ++n) multiply<T>(z, k[n], kOnes, kOnes);
    }
    wait_products<0>();
    hold(sums);
#pragma unroll
    for (int n = 0; n < kRows / 16; ++n) hold(k[n]);
    if (lane == 0) arrive(empty(stage));
  }

  auto* states = call.states + (std::int64_t{item} * (call.chunks + 1) + blockIdx.x) * kDim * (kDim + 1);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = warp * 16 + lane / 4 + 8 * half;
#pragma unroll
    for (int n = 0; n < kDim / 8; ++n)
      *reinterpret_cast<float2*>(states + row * kDim + n * 8 + lane % 4 * 2) =
          make_float2(sums[4 * n + 2 * half], sums[4 * n + 2 * half + 1]);
    if (lane % 4 == 0) states[kDim * kDim + row] = z[2 * half];
  }
}

/// 16 rows of the state from the sums as they are stored, and z of rows lane / 4 and lane / 4 + 8, each twice: as products
/// with ones, which add to it, leave it.
__device__ void load_state(float (&state)[kDim / 2], float (&z)[4], const float* states, int first_row, int lane) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = first_row + lane / 4 + 8 * half;
#pragma unroll
    for (int n = 0; n < kDim / 8; ++n) {
      const auto pair = *reinterpret_cast<const float2*>(states + row * kDim + n * 8 + lane % 4 * 2);
      state[4 * n + 2 * half] = pair.x;
      state[4 * n + 2 * half + 1] = pair.y;
    }
    z[2 * half] = z[2 * half + 1] = states[kDim * kDim + row];
  }
}

/// The warp's 16 rows of a product, as 16 rows of a tile in bf16: the upper 8 and the lower 8 times a factor each.
__device__ void store_tile_rows(std::uint32_t tile, int first_row, const float (&c)[kDim / 2], float upper, float lower,
                                int lane) {
#pragma unroll
  for (int n = 0; n < kDim / 8; n += 2) {
    store_matrices(tile + place(first_row + lane % 16, n + lane / 16), pack<T>(c[4 * n] * upper, c[4 * n + 1] * upper),
                   pack<T>(c[4 * n + 2] * lower, c[4 * n + 3] * lower), pack<T>(c[4 * n + 4] * upper, c[4 * n + 5] * upper),
                   pack<T>(c[4 * n + 6] * lower, c[4 * n + 7] * lower));
  }
}

/// phi of the warp's 16 queries as operands.
__device__ void load_queries(std::uint32_t (&q)[kDim / 16][4], std::uint32_t tile, int first_row, int lane) {
#pragma unroll
  for (int d = 0; d < kDim / 16; ++d)
    load_matrices(q[d], tile + place(first_row + lane % 16, d * 2 + lane / 16));
#pragma unroll
  for (int d = 0; d < kDim / 16; ++d) {
#pragma unroll
    for (int e = 0; e < 4; ++e) q[d][e] = phi_pair(q[d][e]);
  }
}

/// The thread's part of phi(q) z of rows lane / 4 and lane / 4 + 8.
__device__ void add_divisors(float (&divisor)[2], const std::uint32_t (&q)[kDim / 16][4], const float* z, int lane) {
#pragma unroll
  for (int d = 0; d < kDim / 16; ++d) {
#pragma unroll
    for (int n = 0; n < 4; ++n) {
      const auto weights = *reinterpret_cast<const float2*>(z + d * 16 + n / 2 * 8 + lane % 4 * 2);
      divisor[n % 2] += __uint_as_float(q[d][n] << 16) * weights.x + __uint_as_float(q[d][n] & 0xffff0000u) * weights.y;
    }
  }
}

/// The warp's results, through its own rows of the tile of queries: nobody else reads them. Rows are positions, of which
/// those in [begin, end) are stored, row `begin` at `to`.
struct Results {
  T* to;
  std::int64_t stride;
  int begin, end;
  float eps;

  /// The tile is free once all warps have come to the barrier.
  __device__ void store(const float (&o)[kDim / 2], float (&divisor)[2], char* tile, int first_row, int position, int lane,
                        std::uint32_t barrier) const {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      divisor[half] += __shfl_xor_sync(kAllLanes, divisor[half], 1);
      divisor[half] += __shfl_xor_sync(kAllLanes, divisor[half], 2);
    }
    store_tile_rows(shared_address(tile), first_row, o, 1.0f / (divisor[0] + eps), 1.0f / (divisor[1] + eps), lane);
    __syncwarp();
    uint4 chunks[8];
#pragma unroll
    for (int n = 0; n < 8; ++n)
      chunks[n] = *reinterpret_cast<const uint4*>(tile + place(first_row + n * 2 + lane / 16, lane % 16));
    fence_shared_for_products();  // before a copy overwrites them
    __syncwarp();
    if (lane == 0) arrive(barrier);
#pragma unroll
    for (int n = 0; n < 8; ++n) {
      const int at = position + first_row + n * 2 + lane / 16;
      if (at >= begin && at < end) *reinterpret_cast<uint4*>(to + (at - begin) * stride + lane % 16 * 8) = chunks[n];
    }
  }
};

/// What a block of the second pass reads: a chunk of queries of a head.
struct Place {
  int batch, head, kv_head, kv_item, chunk;

  __device__ explicit Place(const LinearCall& call) {
    const int heads = call.kv_heads * call.group;
    batch = static_cast<int>(blockIdx.y) / heads;
    head = static_cast<int>(blockIdx.y) % heads;
    kv_head = head / call.group;
    kv_item = batch * call.kv_heads + kv_head;
    chunk = static_cast<int>(blockIdx.x);
  }
  /// Sums of the keys of all chunks before that one.
  __device__ const float* sums_before(const LinearCall& call, int of) const {
    return call.states + (std::int64_t{kv_item} * (call.chunks + 1) + of) * kDim * (kDim + 1);
  }
  __device__ T* results(const LinearCall& call) const {
    return static_cast<T*>(call.o.data) + batch * call.o.batch_stride + head * call.o.head_stride;
  }
};

struct AllForm {
  static constexpr int kStages = 5;
  static constexpr int kThreads = 128 * kGroups + 32;
  static constexpr int kZ = (kStages + 1) * kTileBytes, kBarriers = kZ + kDim * 4;
  static constexpr int kBytes = kBarriers + 16 * kStages;
};

/// Each chunk of queries from the sums of all keys. Warpgroups wait for tiles alone, not for each other.
__global__ void __launch_bounds__(AllForm::kThreads, 1)
    read_all_wide(const LinearCall call, const __grid_constant__ LinearMaps maps) {
  using F = AllForm;
  extern __shared__ __align__(1024) char shared[];
  const auto base = shared_address(shared);
  if (base % 1024 != 0) __trap();
  const auto state_base = base + F::kStages * kTileBytes;
  auto* z_shared = reinterpret_cast<float*>(shared + F::kZ);
  const auto full = [&](int stage) { return base + F::kBarriers + 8 * stage; };
  const auto empty = [&](int stage) { return full(F::kStages + stage); };
  const int warp = __shfl_sync(kAllLanes, static_cast<int>(threadIdx.x) / 32, 0);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const Place place_of(call);
  const int keys = call.k.rows, shift = keys - call.q.rows;
  auto* o_head = place_of.results(call);
  if (place_of.chunk == 0 && shift < 0) store_zeros<kDim>(o_head, call.o.row_stride, -shift);
  const int begin = max(shift, 0);
  const int first = begin + place_of.chunk * call.chunk, end = min(first + call.chunk, keys);
  const int tiles = (end - first + kRows - 1) / kRows;

  if (threadIdx.x == 0) {
    for (int stage = 0; stage < F::kStages; ++stage) {
      init_barrier(full(stage), 1);
      init_barrier(empty(stage), 4 * kGroups);
    }
    fence_barrier_init();
  }
  __syncthreads();

  if (warp == 4 * kGroups) {
    if (lane > 0) return;
    prefetch_map(maps.q);
    for (int tile = 0; tile < tiles; ++tile) {
      const int stage = tile % F::kStages;
      wait_barrier(empty(stage), static_cast<std::uint32_t>(tile / F::kStages % 2 ^ 1));
      expect_bytes(full(stage), kTileBytes);
      copy_tile(base + static_cast<std::uint32_t>(stage * kTileBytes), maps.q, full(stage),
                       first + tile * kRows - shift, place_of.head, place_of.batch);
    }
    return;
  }

  wait_for_last_launch();
  float o[kDim / 2];
  {
    float z[4];
    load_state(o, z, place_of.sums_before(call, call.chunks), warp * 16, lane);
    store_tile_rows(state_base, warp * 16, o, 1, 1, lane);
    if (lane % 4 == 0) {
      z_shared[warp * 16 + lane / 4] = z[0];
      z_shared[warp * 16 + lane / 4 + 8] = z[2];
    }
  }
  fence_shared_for_products();
  sync_threads(1, 128 * kGroups);

  const Results results{o_head + (begin - shift) * call.o.row_stride, call.o.row_stride, begin, end, call.eps};
  std::uint32_t q[kDim / 16][4];
  for (int tile = 0; tile < tiles; ++tile) {
    const int stage = tile % F::kStages;
    const int offset = stage * kTileBytes;
    wait_barrier(full(stage), static_cast<std::uint32_t>(tile / F::kStages % 2));
    load_queries(q, base + static_cast<std::uint32_t>(offset), warp * 16, lane);
#pragma unroll
    for (float& x : o) x = 0;
#pragma unroll
    for (int d = 0; d < kDim / 16; ++d) hold(q[d]);
    hold(o);
    begin_products();
#pragma unroll
    for (int d = 0; d < kDim / 16; ++d)
      multiply_columns<T>(o, q[d], operand(state_base + static_cast<std::uint32_t>(d * 16 * 128), kPanelBytes));
    commit_products();
    float divisor[2] = {0, 0};
    add_divisors(divisor, q, z_shared, lane);
    wait_products<0>();
    hold(o);
    results.store(o, divisor, shared + offset, warp * 16, first + tile * kRows, lane, empty(stage));
  }
}

struct CausalForm {
  static constexpr int kStages = 2;
  static constexpr int kPhiThreads = 96;
  static constexpr int kThreads = 128 * (kGroups + 1);
  // Registers of a thread of the warpgroup that copies and of those that multiply: together the 3 * 168 of the launch.
  static constexpr int kFew = 40, kMany = 232;
  static constexpr int kStageBytes = 3 * kTileBytes;  // K, Q, V
  static constexpr int kState = kStages * kStageBytes, kZ = kState + kTileBytes, kBarriers = kZ + kDim * 4;
  static constexpr int kBytes = kBarriers + 8 * 5 * kStages;
};

/// Each chunk of queries from the sums of the chunks before it and its own keys.
__global__ void __launch_bounds__(CausalForm::kThreads, 1)
    read_chunks_wide(const LinearCall call, const __grid_constant__ LinearMaps maps) {
  using F = CausalForm;
  extern __shared__ __align__(1024) char shared[];
  const auto base = shared_address(shared);
  if (base % 1024 != 0) __trap();
  const auto state_base = base + F::kState;
  auto* z_shared = reinterpret_cast<float*>(shared + F::kZ);
  enum { kKFull, kQFull, kVFull, kReady, kEmpty };  // kReady: phi(K) is there
  const auto barrier = [&](int kind, int stage) {
    return base + F::kBarriers + static_cast<std::uint32_t>(8 * (kind * F::kStages + stage));
  };
  const int warp = __shfl_sync(kAllLanes, static_cast<int>(threadIdx.x) / 32, 0);
  const int lane = static_cast<int>(threadIdx.x) % 32;
  const Place place_of(call);
  const int keys = call.k.rows, shift = keys - call.q.rows;  // a query's position less its number
  auto* o_head = place_of.results(call);
  if (place_of.chunk == 0 && shift < 0) store_zeros<kDim>(o_head, call.o.row_stride, -shift);
  // Rows of a tile are positions.
  const int first = place_of.chunk * call.chunk, end = min(first + call.chunk, keys);
  if (first >= keys || end <= shift) return;
  const int tiles = (end - first + kRows - 1) / kRows;

  if (threadIdx.x == 0) {
    for (int stage = 0; stage < F::kStages; ++stage) {
      init_barrier(barrier(kKFull, stage), 1);
      init_barrier(barrier(kQFull, stage), 1);
      init_barrier(barrier(kVFull, stage), 1);
      init_barrier(barrier(kReady, stage), F::kPhiThreads);
      init_barrier(barrier(kEmpty, stage), 4 * kGroups);  // a warp each
    }
    fence_barrier_init();
  }
  __syncthreads();

  if (warp >= 4 * kGroups) {
    give_registers<F::kFew>();
    if (warp == 4 * kGroups) {
      if (lane > 0) return;
      prefetch_map(maps.k);
      prefetch_map(maps.q);
      prefetch_map(maps.v);
      for (int tile = 0; tile < tiles; ++tile) {
        const int stage = tile % F::kStages;
        const auto at = base + static_cast<std::uint32_t>(stage * F::kStageBytes);
        const int position = first + tile * kRows;
        const auto fill = [&](int kind, std::uint32_t to, const CUtensorMap& map, int row, int head) {
          expect_bytes(barrier(kind, stage), kTileBytes);
          copy_tile(to, map, barrier(kind, stage), row, head, place_of.batch);
        };
        wait_barrier(barrier(kEmpty, stage), static_cast<std::uint32_t>(tile / F::kStages % 2 ^ 1));
        fill(kKFull, at, maps.k, position, place_of.kv_head);
        fill(kQFull, at + kTileBytes, maps.q, position - shift, place_of.head);
        fill(kVFull, at + 2 * kTileBytes, maps.v, position, place_of.kv_head);
      }
      return;
    }
    const int thread = static_cast<int>(threadIdx.x) % 128 - 32;
    for (int tile = 0; tile < tiles; ++tile) {
      const int stage = tile % F::kStages;
      auto* chunks = reinterpret_cast<uint4*>(shared + stage * F::kStageBytes);
      wait_barrier(barrier(kKFull, stage), static_cast<std::uint32_t>(tile / F::kStages % 2));
#pragma unroll 2
      for (int n = thread; n < kTileBytes / 16; n += F::kPhiThreads) chunks[n] = phi_chunk(chunks[n]);
      fence_shared_for_products();
      arrive(barrier(kReady, stage));
    }
    return;
  }
  take_registers<F::kMany>();

  const int group = warp / 4;
  const int my_row = warp % 4 * 16 + lane / 4;  // of the warpgroup's 64, and that 8 further
  const int begin = max(shift, 0);
  const Results results{o_head + (begin - shift) * call.o.row_stride, call.o.row_stride, begin, end, call.eps};
  float state[kDim / 2], o[kDim / 2], s[32], z[4];
  std::uint32_t q[kDim / 16][4], p[4][4];
  const auto features = place(lane % 8 + lane / 16 * 8, warp * 2 + lane / 8 % 2);  // 16, of as many tokens
  wait_for_last_launch();
  load_state(state, z, place_of.sums_before(call, place_of.chunk), warp * 16, lane);

  // Barriers of the block: the state is stored; warpgroup n may store it, since the other has read it.
  enum { kStored = 1, kRead };
  for (int tile = 0; tile < tiles; ++tile) {
    const int stage = tile % F::kStages;
    const auto parity = static_cast<std::uint32_t>(tile / F::kStages % 2);
    const auto k_base = base + static_cast<std::uint32_t>(stage * F::kStageBytes);
    const auto v_base = k_base + 2 * kTileBytes;
    const bool more = tile + 1 < tiles;
    wait_barrier(barrier(kQFull, stage), parity);
    load_queries(q, k_base + kTileBytes, warp * 16, lane);
    if (tile > 0) sync_threads(kRead + group, 128 * kGroups);
    store_tile_rows(state_base, warp * 16, state, 1, 1, lane);
    if (lane % 4 == 0) {
      z_shared[warp * 16 + lane / 4] = z[0];
      z_shared[warp * 16 + lane / 4 + 8] = z[2];
    }
    fence_shared_for_products();
    sync_threads(kStored, 128 * kGroups);
    wait_barrier(barrier(kReady, stage), parity);
    wait_barrier(barrier(kVFull, stage), parity);

    const auto scores = [&](int block) {  // of 64 keys
#pragma unroll
      for (int d = 0; d < kDim / 16; ++d)
        multiply_rows<T>(s, q[d],
                         operand(k_base + static_cast<std::uint32_t>(d / 4 * kPanelBytes + block * 64 * 128 + d % 4 * 32)),
                         d > 0);
      commit_products();
    };
    const auto add_values = [&](int block) {
#pragma unroll
      for (int n = 0; n < 4; ++n)
        multiply_columns<T>(o, p[n], operand(v_base + static_cast<std::uint32_t>((block * 64 + n * 16) * 128), kPanelBytes));
      commit_products();
    };
    float divisor[2] = {0, 0};
    const auto weigh = [&](bool diagonal) {
#pragma unroll
      for (int m = 0; m < 8; ++m) {
#pragma unroll
        for (int e = 0; e < 4; ++e) {
          float& x = s[4 * m + e];
          if (diagonal && m * 8 + lane % 4 * 2 + e % 2 > my_row + e / 2 * 8) x = 0;
          divisor[e / 2] += x;
        }
      }
#pragma unroll
      for (int n = 0; n < 4; ++n) {
#pragma unroll
        for (int e = 0; e < 4; ++e) p[n][e] = pack<T>(s[8 * n + 2 * e], s[8 * n + 2 * e + 1]);
      }
#pragma unroll
      for (int n = 0; n < 4; ++n) hold(p[n]);
    };

#pragma unroll
    for (float& x : o) x = 0;
#pragma unroll
    for (int d = 0; d < kDim / 16; ++d) hold(q[d]);
    hold(o);
    hold(state);
    begin_products();
    scores(0);
#pragma unroll
    for (int d = 0; d < kDim / 16; ++d)
      multiply_columns<T>(o, q[d], operand(state_base + static_cast<std::uint32_t>(d * 16 * 128), kPanelBytes));
    commit_products();
    if (more) {
#pragma unroll
      for (int n = 0; n < kRows / 16; ++n)
        multiply_transposed<T>(state, operand(k_base + static_cast<std::uint32_t>(group * kPanelBytes + n * 16 * 128)),
                               operand(v_base + static_cast<std::uint32_t>(n * 16 * 128), kPanelBytes));
    }
    commit_products();
    add_divisors(divisor, q, z_shared, lane);
    wait_products<2>();
    hold(s);
    weigh(group == 0);
    begin_products();
    add_values(0);
    if (more) {
#pragma unroll
      for (int n = 0; n < kRows / 16; ++n) {
        std::uint32_t k[4];
        load_matrices_transposed(k, k_base + features + static_cast<std::uint32_t>(n * 16 * 128));
        multiply<T>(z, k, kOnes, kOnes);
      }
    }
    if (group == 1) {
      wait_products<0>();
      hold(o);
      begin_products();
      scores(1);
      wait_products<0>();
      hold(s);
      weigh(true);
      hold(o);
      begin_products();
      add_values(1);
    }
    wait_products<0>();
    hold(o);
    hold(state);
    if (more) arrive_threads(kRead + 1 - group, 128 * kGroups);
    results.store(o, divisor, shared + stage * F::kStageBytes + kTileBytes, warp * 16, first + tile * kRows, lane,
                  barrier(kEmpty, stage));
  }
}

}  // namespace

cudaError_t launch_linear_wide(const LinearCall& call, const LinearMaps& maps, cudaStream_t stream) {
  using Sum = SumForm;
  using All = AllForm;
  using Causal = CausalForm;
  auto error = launch(sum_chunks_wide, key_blocks(call), Sum::kThreads, Sum::kBytes, stream, false, call, maps);
  if (error == cudaSuccess) error = launch_scan<kDim>(call, stream);
  if (error != cudaSuccess) return error;
  return call.causal
             ? launch(read_chunks_wide, query_blocks(call), Causal::kThreads, Causal::kBytes, stream, true, call, maps)
             : launch(read_all_wide, query_blocks(call), All::kThreads, All::kBytes, stream, true, call, maps);
}

}  // namespace attnbench::cuda
