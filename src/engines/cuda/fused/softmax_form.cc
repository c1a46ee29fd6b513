#include <algorithm>

#include "engines/cuda/fused/softmax.h"

namespace attnbench::cuda {

SoftmaxForm softmax_form(std::int64_t rows, std::int64_t head_dim) {
  const std::int32_t many = head_dim == 64 ? 6 : 5;
  if (rows <= 16) return {1, 4, many};
  if (rows <= 32) return {2, 4, many};
  if (rows <= 64) return {4, 2, many};
  return {4, 1, 2};
}

Blocks softmax_blocks(const SoftmaxForm& form, DType dtype, std::int64_t head_dim,
                      std::int32_t multiprocessors) {
  const auto each =
      dtype == DType::bf16 ? softmax_blocks_bf16(form, head_dim) : softmax_blocks_f16(form, head_dim);
  return {form.rows(), multiprocessors * std::max(each, 1), form.key_warps > 1 ? 1 : 16};
}

cudaError_t launch_softmax(const SoftmaxCall& call, const SoftmaxForm& form, cudaStream_t stream) {
  return call.q.dtype == DType::bf16 ? launch_softmax_bf16(call, form, stream)
                                     : launch_softmax_f16(call, form, stream);
}

}  // namespace attnbench::cuda
