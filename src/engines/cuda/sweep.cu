#include <cuda_bf16.h>
#include <cuda_fp16.h>

#include "attnbench/dtype.h"
#include "engines/cuda/sweep.h"

namespace attnbench::cuda {
namespace {

constexpr int kThreads = 512;
constexpr int kAtOnce = 4;  // loads of a thread in flight

__device__ uint4 load(const uint4* from) {
  uint4 value;
  asm volatile("ld.global.cg.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(value.x), "=r"(value.y), "=r"(value.z), "=r"(value.w)
               : "l"(from));
  return value;
}

__global__ void __launch_bounds__(kThreads) read_sweeps(const uint4* memory, std::int64_t count, int sweeps,
                                                        unsigned* sink) {
  const std::int64_t step = std::int64_t{gridDim.x} * kThreads;
  unsigned seen = 0;
  for (int sweep = 0; sweep < sweeps; ++sweep) {
    for (auto at = std::int64_t{blockIdx.x} * kThreads + threadIdx.x; at < count; at += kAtOnce * step) {
      uint4 value[kAtOnce];
#pragma unroll
      for (int n = 0; n < kAtOnce; ++n) {
        if (at + n * step < count) value[n] = load(memory + at + n * step);
      }
#pragma unroll
      for (int n = 0; n < kAtOnce; ++n) {
        if (at + n * step < count) seen |= value[n].x ^ value[n].y ^ value[n].z ^ value[n].w;
      }
    }
  }
  if (seen == 0x12345678u) *sink = seen;
}

__global__ void __launch_bounds__(kThreads) copy_sweeps(uint4* memory, std::int64_t half, int sweeps) {
  const std::int64_t step = std::int64_t{gridDim.x} * kThreads;
  for (int sweep = 0; sweep < sweeps; ++sweep) {
    for (auto at = std::int64_t{blockIdx.x} * kThreads + threadIdx.x; at < half; at += kAtOnce * step) {
      uint4 value[kAtOnce];
#pragma unroll
      for (int n = 0; n < kAtOnce; ++n) {
        if (at + n * step < half) value[n] = load(memory + at + n * step);
      }
#pragma unroll
      for (int n = 0; n < kAtOnce; ++n) {
        if (at + n * step < half) memory[half + at + n * step] = value[n];
      }
    }
  }
}

/// The sum of three numbers of a hash, near normal.
__global__ void fill_random(void* memory, std::int64_t elements, DType dtype) {
  const auto at = std::int64_t{blockIdx.x} * blockDim.x + threadIdx.x;
  if (at >= elements) return;
  float sum = 0;
  auto bits = static_cast<unsigned>(at) * 2654435761u + 12345u;
  for (int n = 0; n < 3; ++n) {
    bits ^= bits >> 16;
    bits *= 0x7feb352du;
    bits ^= bits >> 15;
    bits *= 0x846ca68bu;
    sum += static_cast<float>(bits) * 0x1p-31f - 1.0f;
  }
  if (dtype == DType::f32) static_cast<float*>(memory)[at] = sum;
  if (dtype == DType::bf16) static_cast<__nv_bfloat16*>(memory)[at] = __float2bfloat16(sum);
  if (dtype == DType::f16) static_cast<__half*>(memory)[at] = __float2half(sum);
}

}  // namespace

cudaError_t launch_read_sweeps(const void* memory, std::int64_t bytes, int sweeps, int multiprocessors,
                               void* sink, cudaStream_t stream) {
  read_sweeps<<<4 * multiprocessors, kThreads, 0, stream>>>(static_cast<const uint4*>(memory), bytes / 16,
                                                            sweeps, static_cast<unsigned*>(sink));
  return cudaGetLastError();
}

cudaError_t launch_copy_sweeps(void* memory, std::int64_t bytes, int sweeps, int multiprocessors,
                               cudaStream_t stream) {
  copy_sweeps<<<4 * multiprocessors, kThreads, 0, stream>>>(static_cast<uint4*>(memory), bytes / 32, sweeps);
  return cudaGetLastError();
}

cudaError_t launch_fill_random(void* memory, std::int64_t elements, int dtype, cudaStream_t stream) {
  constexpr int kBlock = 256;
  fill_random<<<static_cast<unsigned>((elements + kBlock - 1) / kBlock), kBlock, 0, stream>>>(
      memory, elements, static_cast<DType>(dtype));
  return cudaGetLastError();
}

}  // namespace attnbench::cuda
