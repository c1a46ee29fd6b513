#include "engines/cuda/fused/softmax.cuh"

namespace attnbench::cuda {

cudaError_t launch_softmax_bf16(const SoftmaxCall& call, const SoftmaxForm& form, cudaStream_t stream) {
  return launch_type<__nv_bfloat16>(call, form, stream);
}

}  // namespace attnbench::cuda
