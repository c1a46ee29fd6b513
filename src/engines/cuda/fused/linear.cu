#include "engines/cuda/fused/linear.h"

#include "engines/cuda/fused/linear.cuh"

namespace attnbench::cuda {
namespace {

constexpr int kHeadDim = 64;
constexpr int kWarps = kHeadDim / 16;  // each has 16 rows of the state, and of a tile of queries
constexpr int kThreads = 32 * kWarps;
constexpr int kChunks = kHeadDim / 8;  // of 16 bytes in a row
constexpr int kTileBytes = kTokens * kHeadDim * 2;
static_assert(kTokens == 16 * kWarps);

/// Rows [first, first + kTokens) of a head; zeros where they are not in [0, rows).
__device__ void load_tile(std::uint32_t base, const T* head, std::int64_t stride, int first, int rows) {
  const int chunk = static_cast<int>(threadIdx.x) % kChunks;
#pragma unroll
  for (int n = 0; n < kTokens * kChunks / kThreads; ++n) {
    const int row = n * (kThreads / kChunks) + static_cast<int>(threadIdx.x) / kChunks;
    const bool there = first + row >= 0 && first + row < rows;
    copy_async(swizzled<kHeadDim>(base, row, chunk), head + (there ? first + row : 0) * stride + chunk * 8, there);
  }
}

/// phi of a tile in place; rows outside [begin, end) become zeros.
__device__ void apply_phi(char* tile, int begin, int end) {
#pragma unroll
  for (int n = 0; n < kTokens * kChunks / kThreads; ++n) {
    const int at = n * kThreads + static_cast<int>(threadIdx.x);
    const int row = at / kChunks;  // a swizzle stays within its row
    auto& chunk = reinterpret_cast<uint4*>(tile)[at];
    chunk = row >= begin && row < end ? phi_chunk(chunk) : make_uint4(0, 0, 0, 0);
  }
}

/// state += phi(K)^T V of a tile, the warp's 16 rows; z likewise for rows lane / 4 and lane / 4 + 8, of which the four
/// lanes of a row have a part each.
__device__ void add_tile(std::uint32_t k_base, std::uint32_t v_base, int warp, int lane,
                         float (&state)[kHeadDim / 8][4], float (&z)[2]) {
#pragma unroll
  for (int t = 0; t < kTokens / 16; ++t) {
    std::uint32_t k[4];
    load_matrices_transposed(
        k, swizzled<kHeadDim>(k_base, t * 16 + lane % 8 + lane / 16 * 8, warp * 2 + lane / 8 % 2));
#pragma unroll
    for (int n = 0; n < 4; ++n)
      z[n % 2] += __uint_as_float(k[n] << 16) + __uint_as_float(k[n] & 0xffff0000u);
    std::uint32_t v[kHeadDim / 16][4];
#pragma unroll
    for (int e = 0; e < kHeadDim / 16; ++e)
      load_matrices_transposed(v[e], swizzled<kHeadDim>(v_base, t * 16 + lane % 16, e * 2 + lane / 16));
#pragma unroll
    for (int e = 0; e < kHeadDim / 16; ++e) {
      multiply<T>(state[2 * e], k, v[e][0], v[e][1]);
      multiply<T>(state[2 * e + 1], k, v[e][2], v[e][3]);
    }
  }
}

__global__ void __launch_bounds__(kThreads, 2) sum_chunks(const LinearCall call) {
  constexpr int kStages = 3;
  extern __shared__ __align__(128) char shared[];
  start_next_launch();
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int item = static_cast<int>(blockIdx.y);  // batch entry and kv head
  const int first = static_cast<int>(blockIdx.x) * call.chunk;
  const int end = min(first + call.chunk, call.k.rows);
  const int tiles = (end - first + kTokens - 1) / kTokens;
  const auto* k = head_of(call.k, item / call.kv_heads, item % call.kv_heads);
  const auto* v = head_of(call.v, item / call.kv_heads, item % call.kv_heads);
  const auto base = shared_address(shared);
  const auto load = [&](int tile) {
    const auto at = base + static_cast<std::uint32_t>(tile % kStages * 2 * kTileBytes);
    load_tile(at, k, call.k.row_stride, first + tile * kTokens, end);
    load_tile(at + kTileBytes, v, call.v.row_stride, first + tile * kTokens, end);
  };
#pragma unroll
  for (int stage = 0; stage < kStages - 1; ++stage) {
    if (stage < tiles) load(stage);
    commit_copies();
  }
  float state[kHeadDim / 8][4] = {};
  float z[2] = {0, 0};
  for (int tile = 0; tile < tiles; ++tile) {
    wait_copies<kStages - 2>();
    __syncthreads();
    if (tile + kStages - 1 < tiles) load(tile + kStages - 1);
    commit_copies();
    const int offset = tile % kStages * 2 * kTileBytes;
    apply_phi(shared + offset, 0, end - first - tile * kTokens);
    __syncthreads();
    const auto at = base + static_cast<std::uint32_t>(offset);
    add_tile(at, at + kTileBytes, warp, lane, state, z);
  }
  const auto chunk = std::int64_t{item} * (call.chunks + 1) + blockIdx.x;
  auto* states = call.states + chunk * kHeadDim * (kHeadDim + 1);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = warp * 16 + lane / 4 + 8 * half;
#pragma unroll
    for (int n = 0; n < kHeadDim / 8; ++n)
      *reinterpret_cast<float2*>(states + row * kHeadDim + n * 8 + lane % 4 * 2) =
          make_float2(state[n][2 * half], state[n][2 * half + 1]);
    z[half] += __shfl_xor_sync(kAllLanes, z[half], 1);
    z[half] += __shfl_xor_sync(kAllLanes, z[half], 2);
    if (lane % 4 == 0) states[kHeadDim * kHeadDim + row] = z[half];
  }
}

template <bool kCausal>
struct ReadSizes {
  static constexpr int kTiles = kCausal ? 3 : 1;  // of Q, K, V
  static constexpr int kStateBytes = kHeadDim * kHeadDim * 2;
  static constexpr int kBytes = 2 * kTiles * kTileBytes + kStateBytes + kHeadDim * 4;
};

/// Chunk c of the queries: causal, those at the positions of chunk c of the keys.
template <bool kCausal>
__global__ void __launch_bounds__(kThreads, kCausal ? 1 : 2) read_chunks(const LinearCall call) {
  using R = ReadSizes<kCausal>;
  extern __shared__ __align__(128) char shared[];
  const auto base = shared_address(shared);
  constexpr int kStageBytes = R::kTiles * kTileBytes;
  char* state_bytes = shared + 2 * kStageBytes;
  const auto state_base = base + 2 * kStageBytes;
  auto* z_shared = reinterpret_cast<float*>(state_bytes + R::kStateBytes);
  const int warp = static_cast<int>(threadIdx.x) / 32, lane = static_cast<int>(threadIdx.x) % 32;
  const int heads = call.kv_heads * call.group;
  const int batch = static_cast<int>(blockIdx.y) / heads, head = static_cast<int>(blockIdx.y) % heads;
  const int kv_item = batch * call.kv_heads + head / call.group;
  const int chunk = static_cast<int>(blockIdx.x);
  const int keys = call.k.rows, queries = call.q.rows;
  const int shift = keys - queries;  // position of a query less its number
  auto* o_head = static_cast<T*>(call.o.data) + batch * call.o.batch_stride + head * call.o.head_stride;

  if (chunk == 0 && shift < 0) store_zeros<kHeadDim>(o_head, call.o.row_stride, -shift);
  // Rows of a tile are positions.
  const int first = kCausal ? chunk * call.chunk : max(shift, 0) + chunk * call.chunk;
  const int end = min(first + call.chunk, keys);
  if (first >= keys || end <= shift) return;
  const int tiles = (end - first + kTokens - 1) / kTokens;
  const auto* q = head_of(call.q, batch, head);
  const auto* k = head_of(call.k, batch, head / call.group);
  const auto* v = head_of(call.v, batch, head / call.group);
  const auto load = [&](int tile) {
    const auto at = base + static_cast<std::uint32_t>(tile % 2 * kStageBytes);
    const int position = first + tile * kTokens;
    load_tile(at, q, call.q.row_stride, position - shift, queries);
    if constexpr (kCausal) {
      load_tile(at + kTileBytes, k, call.k.row_stride, position, end);
      load_tile(at + 2 * kTileBytes, v, call.v.row_stride, position, end);
    }
  };
  load(0);
  commit_copies();

  // The sums of all chunks, or of those before this one: the warp's 16 rows.
  wait_for_last_launch();
  float state[kHeadDim / 8][4];
  float z[2];
  const auto at = std::int64_t{kv_item} * (call.chunks + 1) + (kCausal ? chunk : call.chunks);
  const auto* states = call.states + at * kHeadDim * (kHeadDim + 1);
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int row = warp * 16 + lane / 4 + 8 * half;
#pragma unroll
    for (int n = 0; n < kHeadDim / 8; ++n) {
      const auto pair = *reinterpret_cast<const float2*>(states + row * kHeadDim + n * 8 + lane % 4 * 2);
      state[n][2 * half] = pair.x;
      state[n][2 * half + 1] = pair.y;
    }
    z[half] = lane % 4 == 0 ? states[kHeadDim * kHeadDim + row] : 0;
  }

  for (int tile = 0; tile < tiles; ++tile) {
    wait_copies<0>();
    __syncthreads();
    if (tile + 1 < tiles) load(tile + 1);
    commit_copies();
    const int offset = tile % 2 * kStageBytes;
    const int position = first + tile * kTokens;
    apply_phi(shared + offset, 0, kTokens);
    if constexpr (kCausal) apply_phi(shared + offset + kTileBytes, 0, end - position);
    if (kCausal || tile == 0) {  // the state as an operand
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int row = warp * 16 + lane / 4 + 8 * half;
#pragma unroll
        for (int n = 0; n < kHeadDim / 8; ++n) {
          const int in_row = (n ^ (row & 7)) * 16 + lane % 4 * 4;
          *reinterpret_cast<std::uint32_t*>(state_bytes + row * kHeadDim * 2 + in_row) =
              pack<T>(state[n][2 * half], state[n][2 * half + 1]);
        }
        float whole = z[half];
        whole += __shfl_xor_sync(kAllLanes, whole, 1);
        whole += __shfl_xor_sync(kAllLanes, whole, 2);
        if (lane % 4 == 0) z_shared[row] = whole;
      }
    }
    __syncthreads();

    const auto q_base = base + static_cast<std::uint32_t>(offset);
    const auto k_base = q_base + kTileBytes, v_base = q_base + 2 * kTileBytes;
    float o[kHeadDim / 8][4] = {};
    float divisor[2] = {0, 0};
    float p[kCausal ? kTokens / 8 : 1][4] = {};
#pragma unroll
    for (int d = 0; d < kHeadDim / 16; ++d) {
      std::uint32_t a[4];
      load_matrices(a, swizzled<kHeadDim>(q_base, warp * 16 + lane % 16, d * 2 + lane / 16));
#pragma unroll
      for (int n = 0; n < 4; ++n) {
        const auto weights = *reinterpret_cast<const float2*>(z_shared + d * 16 + n / 2 * 8 + lane % 4 * 2);
        divisor[n % 2] += __uint_as_float(a[n] << 16) * weights.x + __uint_as_float(a[n] & 0xffff0000u) * weights.y;
      }
      constexpr int kValues = kHeadDim / 16, kKeys = kCausal ? kTokens / 16 : 0;
      std::uint32_t b[kValues + kKeys][4];
#pragma unroll
      for (int e = 0; e < kValues; ++e)
        load_matrices_transposed(b[e], swizzled<kHeadDim>(state_base, d * 16 + lane % 16, e * 2 + lane / 16));
#pragma unroll
      for (int n = 0; n < kKeys; ++n)
        load_matrices(b[kValues + n],
                      swizzled<kHeadDim>(k_base, n * 16 + lane % 8 + lane / 16 * 8, d * 2 + lane / 8 % 2));
#pragma unroll
      for (int e = 0; e < kValues; ++e) {
        multiply<T>(o[2 * e], a, b[e][0], b[e][1]);
        multiply<T>(o[2 * e + 1], a, b[e][2], b[e][3]);
      }
#pragma unroll
      for (int n = 0; n < kKeys; ++n) {
        if (n > warp) continue;  // keys after the warp's queries
        multiply<T>(p[2 * n], a, b[kValues + n][0], b[kValues + n][1]);
        multiply<T>(p[2 * n + 1], a, b[kValues + n][2], b[kValues + n][3]);
      }
    }
    if constexpr (kCausal) {
#pragma unroll
      for (int n = 0; n < kTokens / 16; ++n) {
        if (n > warp) continue;
#pragma unroll
        for (int m = 2 * n; m < 2 * n + 2; ++m) {
#pragma unroll
          for (int e = 0; e < 4; ++e) {
            const int row = warp * 16 + lane / 4 + e / 2 * 8;
            const int key = m * 8 + lane % 4 * 2 + e % 2;
            if (key > row) p[m][e] = 0;
            divisor[e / 2] += p[m][e];
          }
        }
        const std::uint32_t a[4] = {pack<T>(p[2 * n][0], p[2 * n][1]), pack<T>(p[2 * n][2], p[2 * n][3]),
                                    pack<T>(p[2 * n + 1][0], p[2 * n + 1][1]),
                                    pack<T>(p[2 * n + 1][2], p[2 * n + 1][3])};
#pragma unroll
        for (int e = 0; e < kHeadDim / 16; ++e) {
          std::uint32_t b[4];
          load_matrices_transposed(b, swizzled<kHeadDim>(v_base, n * 16 + lane % 16, e * 2 + lane / 16));
          multiply<T>(o[2 * e], a, b[0], b[1]);
          multiply<T>(o[2 * e + 1], a, b[2], b[3]);
        }
      }
    }
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      divisor[half] += __shfl_xor_sync(kAllLanes, divisor[half], 1);
      divisor[half] += __shfl_xor_sync(kAllLanes, divisor[half], 2);
      const int at = position + warp * 16 + lane / 4 + 8 * half;
      if (at >= end || at < shift) continue;
      const float inverse = 1.0f / (divisor[half] + call.eps);
      auto* to = o_head + (at - shift) * call.o.row_stride + lane % 4 * 2;
#pragma unroll
      for (int n = 0; n < kHeadDim / 8; ++n)
        *reinterpret_cast<std::uint32_t*>(to + n * 8) =
            pack<T>(o[n][2 * half] * inverse, o[n][2 * half + 1] * inverse);
    }
    if constexpr (kCausal) {
      if (tile + 1 < tiles) add_tile(k_base, v_base, warp, lane, state, z);
    }
  }
}

}  // namespace

cudaError_t launch_linear(const LinearCall& call, cudaStream_t stream) {
  auto error = launch(sum_chunks, key_blocks(call), kThreads, 6 * kTileBytes, stream, false, call);
  if (error == cudaSuccess) error = launch_scan<kHeadDim>(call, stream);
  if (error != cudaSuccess) return error;
  return call.causal
             ? launch(read_chunks<true>, query_blocks(call), kThreads, ReadSizes<true>::kBytes, stream, true, call)
             : launch(read_chunks<false>, query_blocks(call), kThreads, ReadSizes<false>::kBytes, stream, true, call);
}

}  // namespace attnbench::cuda
