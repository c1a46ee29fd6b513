#include "engines/cuda/fused/softmax.cuh"

namespace attnbench::cuda {

cudaError_t launch_softmax_f16(const SoftmaxCall& call, const SoftmaxForm& form, const SplitUnits& split,
                               cudaStream_t stream) {
  return with_form<__half>(form, call.q.width, [&](auto launcher) { return launcher.launch(call, split, stream); });
}

std::int32_t softmax_blocks_f16(const SoftmaxForm& form, std::int64_t head_dim) {
  return with_form<__half>(form, head_dim, [](auto launcher) { return launcher.blocks(); });
}

}  // namespace attnbench::cuda
