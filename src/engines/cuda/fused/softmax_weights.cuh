#pragma once

#include <cmath>

#include "engines/cuda/fused/softmax_rows.cuh"
#include "engines/cuda/fused/tensor_core.cuh"

namespace attnbench::cuda {
namespace {

/// Scores of a tile to weights, in place, with the new maxima and sums of two rows. Of each row a thread has
/// s[4 n + 2 half] and its neighbour, three threads beside it the others. `factor` is what sums so far are
/// multiplied by; c > 0 leads from scores to exponents of two.
template <int kScores>
__device__ __forceinline__ void weigh(float (&s)[kScores], float (&maximum)[2], float (&sum)[2],
                                      float (&factor)[2], float c) {
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    float highest = maximum[half];
#pragma unroll
    for (int n = 0; n < kScores / 4; ++n)
      highest = fmaxf(highest, fmaxf(s[4 * n + 2 * half], s[4 * n + 2 * half + 1]));
    highest = fmaxf(highest, __shfl_xor_sync(kAllLanes, highest, 1));
    highest = fmaxf(highest, __shfl_xor_sync(kAllLanes, highest, 2));
    const float base = highest == -INFINITY ? 0.0f : highest;
    factor[half] = exp2_fast((maximum[half] - base) * c);
    maximum[half] = highest;
    float added = 0;
    const auto exponentials = [&](auto exponent) {
#pragma unroll
      for (int n = 0; n < kScores / 4; ++n) {
#pragma unroll
        for (int e = 0; e < 2; ++e) {
          float& x = s[4 * n + 2 * half + e];
          x = exp2_fast(exponent(x));
          added += x;
        }
      }
    };
    const float offset = base * c;
    if (__all_sync(kAllLanes, fabsf(offset) <= kOneRounding))
      exponentials([&](float x) { return fmaf(x, c, -offset); });
    else
      exponentials([&](float x) { return (x - base) * c; });
    sum[half] = sum[half] * factor[half] + added;
  }
}

}  // namespace
}  // namespace attnbench::cuda
