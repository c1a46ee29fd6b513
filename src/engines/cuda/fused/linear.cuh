#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>

#include "engines/cuda/fused/hopper.cuh"
#include "engines/cuda/fused/linear.h"

/// What the two forms of linear attention share: phi, the running sums of chunks, launches that follow each other.
namespace attnbench::cuda {
namespace {

using T = __nv_bfloat16;
constexpr unsigned kAllLanes = 0xffffffffu;

__device__ const T* head_of(const Strided& view, int batch, int head) {
  return static_cast<const T*>(view.data) + batch * view.batch_stride + head * view.head_stride;
}

/// elu(x) + 1 = max(x + 1, min(e^x, 1)). With a choice in its place the compiler makes each element wait for the one before:
/// they share a predicate.
__device__ float phi_fast(float x) {
  float y;
  asm("max.NaN.f32 %0, %1, %2;" : "=f"(y) : "f"(x + 1), "f"(fminf(exp2_fast(x * 1.4426950408889634f), 1.0f)));
  return y;
}

__device__ std::uint32_t phi_pair(std::uint32_t pair) {
  const float low = __uint_as_float(pair << 16), high = __uint_as_float(pair & 0xffff0000u);
  return pack<T>(phi_fast(low), phi_fast(high));
}
__device__ uint4 phi_chunk(uint4 chunk) {
  return make_uint4(phi_pair(chunk.x), phi_pair(chunk.y), phi_pair(chunk.z), phi_pair(chunk.w));
}

/// Queries before the first key see nothing: zeros, by a thread block.
template <int kHeadDim>
__device__ void store_zeros(T* head, std::int64_t stride, int rows) {
  constexpr int kChunks = kHeadDim / 8;
  for (int n = static_cast<int>(threadIdx.x); n < rows * kChunks; n += static_cast<int>(blockDim.x))
    *reinterpret_cast<uint4*>(head + n / kChunks * stride + n % kChunks * 8) = make_uint4(0, 0, 0, 0);
}

/// Sums of chunks become sums of those before each, and of all: of 4 numbers a thread.
constexpr int kScanThreads = 64;
__global__ void __launch_bounds__(kScanThreads) scan_chunks(float4* sums, int chunks, int width) {
  constexpr int kAtOnce = 8;
  start_next_launch();
  wait_for_last_launch();
  const int at = static_cast<int>(blockIdx.x) * kScanThreads + static_cast<int>(threadIdx.x);
  if (at >= width) return;
  sums += std::int64_t{blockIdx.y} * (chunks + 1) * width + at;
  float4 sum = make_float4(0, 0, 0, 0);
  for (int first = 0; first <= chunks; first += kAtOnce) {
    float4 part[kAtOnce];
#pragma unroll
    for (int n = 0; n < kAtOnce; ++n) {
      part[n] = make_float4(0, 0, 0, 0);
      if (first + n < chunks) part[n] = sums[std::int64_t{first + n} * width];
    }
#pragma unroll
    for (int n = 0; n < kAtOnce; ++n) {
      if (first + n <= chunks) sums[std::int64_t{first + n} * width] = sum;
      sum = make_float4(sum.x + part[n].x, sum.y + part[n].y, sum.z + part[n].z, sum.w + part[n].w);
    }
  }
}

/// Blocks of the first launch: chunks of keys, of each kv head.
dim3 key_blocks(const LinearCall& call) {
  return {static_cast<unsigned>(call.chunks), static_cast<unsigned>(call.batch * call.kv_heads)};
}
/// Blocks of the last launch: chunks of queries that see a key (causal: those of the keys at their positions), of each head.
dim3 query_blocks(const LinearCall& call) {
  const auto seeing = std::min(call.q.rows, call.k.rows);
  return {static_cast<unsigned>(call.causal ? call.chunks : (seeing + call.chunk - 1) / call.chunk),
          static_cast<unsigned>(call.batch * call.kv_heads * call.group)};
}

/// Where `early`, blocks start while those of the launch before end (programmatic dependent launch).
template <typename... Parameters, typename... Arguments>
cudaError_t launch(void (*kernel)(Parameters...), dim3 grid, int threads, int bytes, cudaStream_t stream, bool early,
                   const Arguments&... arguments) {
  if (bytes > 0) {
    const auto error = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, bytes);
    if (error != cudaSuccess) return error;
  }
  cudaLaunchConfig_t config{};
  config.gridDim = grid;
  config.blockDim = dim3(static_cast<unsigned>(threads));
  config.dynamicSmemBytes = static_cast<std::size_t>(bytes);
  config.stream = stream;
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  config.attrs = &attribute;
  config.numAttrs = early ? 1 : 0;
  return cudaLaunchKernelEx(&config, kernel, arguments...);
}

template <int kHeadDim>
cudaError_t launch_scan(const LinearCall& call, cudaStream_t stream) {
  constexpr int kWidth = kHeadDim * (kHeadDim + 1) / 4;
  const dim3 grid((kWidth + kScanThreads - 1) / kScanThreads, static_cast<unsigned>(call.batch * call.kv_heads));
  return launch(scan_chunks, grid, kScanThreads, 0, stream, true, reinterpret_cast<float4*>(call.states), call.chunks,
                kWidth);
}

}  // namespace
}  // namespace attnbench::cuda
