#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "engines/cuda/strided.h"

namespace attnbench::cuda {

/// Tokens that a thread block takes at a time.
inline constexpr std::int32_t kTokens = 64;

struct LinearCall {
  Strided q, k, v, o;
  std::int32_t batch = 1;
  std::int32_t kv_heads = 1, group = 1;
  std::int32_t chunk = kTokens;  ///< tokens of a chunk of keys, whole tiles (kTokens, kWideTokens)
  std::int32_t chunks = 1;
  bool causal = false;
  float eps = 0;
  /// By batch entry, kv head and chunk, one chunk more than there are: sums over its keys of phi(k) v^T,
  /// head_dim rows of head_dim, and of phi(k), one row.
  float* states = nullptr;
};

/// phi(q)^T S / (phi(q)^T z + eps) with phi(x) = elu(x) + 1; bf16, head_dim 64. Three launches: the sums of
/// each chunk of keys; running sums of those; then each chunk of queries, from the sums of all chunks
/// (causal: of those before it, and its own keys by 64 x 64 products). Sums are f32; phi, and the sums as
/// operands of a product, are rounded to bf16.
cudaError_t launch_linear(const LinearCall& call, cudaStream_t stream);

}  // namespace attnbench::cuda
