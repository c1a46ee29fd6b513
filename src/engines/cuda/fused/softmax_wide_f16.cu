#include "engines/cuda/fused/softmax_wide.cuh"

namespace attnbench::cuda {

cudaError_t launch_softmax_wide_f16(const SoftmaxCall& call, const CUtensorMap& k_map, const CUtensorMap& v_map,
                                     cudaStream_t stream) {
  return call.q.width == 64 ? launch_wide<__half, 64>(call, k_map, v_map, stream)
                            : launch_wide<__half, 128>(call, k_map, v_map, stream);
}

}  // namespace attnbench::cuda
