#include "engines/cuda/gate.h"

namespace attnbench::cuda {
namespace {

__global__ void gate(const volatile int* open, int ticket) {
  constexpr unsigned long long kLongestNanoseconds = 2'000'000;
  unsigned long long start = 0, now = 0;
  asm volatile("mov.u64 %0, %globaltimer;" : "=l"(start));
  do {
    asm volatile("mov.u64 %0, %globaltimer;" : "=l"(now));
  } while (*open < ticket && now - start < kLongestNanoseconds);
}

}  // namespace

cudaError_t launch_gate(const volatile int* open, int ticket, cudaStream_t stream) {
  gate<<<1, 1, 0, stream>>>(open, ticket);
  return cudaGetLastError();
}

}  // namespace attnbench::cuda
