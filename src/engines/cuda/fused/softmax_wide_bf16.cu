#include "engines/cuda/fused/softmax_wide.cuh"

namespace attnbench::cuda {

cudaError_t launch_softmax_wide_bf16(const SoftmaxCall& call, const CUtensorMap& k_map, const CUtensorMap& v_map,
                                     cudaStream_t stream) {
  return call.q.width == 64 ? launch_wide<__nv_bfloat16, 64>(call, k_map, v_map, stream)
                            : launch_wide<__nv_bfloat16, 128>(call, k_map, v_map, stream);
}

}  // namespace attnbench::cuda
