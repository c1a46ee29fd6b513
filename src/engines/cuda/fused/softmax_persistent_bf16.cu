#include "engines/cuda/fused/softmax_persistent.cuh"

namespace attnbench::cuda {

cudaError_t launch_softmax_persistent_bf16(const SoftmaxCall& call, const SoftmaxForm& form, const PersistentMaps& maps,
                                           const SplitUnits& split, std::int32_t multiprocessors, cudaStream_t stream) {
  return call.q.width == 64 ? launch_persistent<__nv_bfloat16, 64>(call, form, maps, split, multiprocessors, stream)
                            : launch_persistent<__nv_bfloat16, 128>(call, form, maps, split, multiprocessors, stream);
}

}  // namespace attnbench::cuda
