#include "engines/cuda/fused/softmax.h"

namespace attnbench::cuda {

SoftmaxForm softmax_form(std::int64_t rows, std::int64_t head_dim) {
  const std::int32_t many = head_dim == 64 ? 6 : 5;
  if (rows <= 16) return {1, 4, many};
  if (rows <= 32) return {2, 4, many};
  if (rows <= 64) return {4, 2, many};
  return {4, 1, 2};
}

Blocks softmax_blocks(const SoftmaxForm& form, std::int64_t head_dim, std::int32_t multiprocessors) {
  const auto bytes = form.rows() * head_dim * 2 + 2 * form.stages * kTileKeys * head_dim * 2;
  constexpr std::int64_t kSharedBytes = 227 * 1024;
  const bool few_rows = form.stages > 2;
  return {form.rows(), multiprocessors * (kSharedBytes / (bytes + 1024) < 2 ? 1 : 2), few_rows ? 1 : 16,
          few_rows};
}

cudaError_t launch_softmax(const SoftmaxCall& call, const SoftmaxForm& form, cudaStream_t stream) {
  return call.q.dtype == DType::bf16 ? launch_softmax_bf16(call, form, stream)
                                     : launch_softmax_f16(call, form, stream);
}

}  // namespace attnbench::cuda
