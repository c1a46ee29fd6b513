#include "engines/cuda/fused/softmax.cuh"

namespace attnbench::cuda {

cudaError_t launch_softmax_f16(const SoftmaxCall& call, const SoftmaxForm& form, cudaStream_t stream) {
  return launch_type<__half>(call, form, stream);
}

}  // namespace attnbench::cuda
