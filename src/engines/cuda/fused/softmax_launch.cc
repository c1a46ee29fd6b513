#include <algorithm>

#include "engines/cuda/fused/softmax.h"
#include "engines/cuda/fused/softmax_persistent.h"
#include "engines/cuda/fused/softmax_wide.h"

namespace attnbench::cuda {

std::int32_t softmax_slots(const SoftmaxForm& form, DType dtype, std::int64_t head_dim,
                           std::int32_t multiprocessors) {
  if (form.wide) return multiprocessors;
  if (form.groups > 0) return multiprocessors * persistent_blocks(head_dim, form);
  const auto each =
      dtype == DType::bf16 ? softmax_blocks_bf16(form, head_dim) : softmax_blocks_f16(form, head_dim);
  return multiprocessors * std::max(each, 1);
}

cudaError_t launch_softmax(const SoftmaxCall& call, const SoftmaxForm& form, const SplitUnits& split,
                           cudaStream_t stream) {
  return call.q.dtype == DType::bf16 ? launch_softmax_bf16(call, form, split, stream)
                                     : launch_softmax_f16(call, form, split, stream);
}

cudaError_t launch_softmax_wide(const SoftmaxCall& call, const CUtensorMap& k_map, const CUtensorMap& v_map,
                                cudaStream_t stream) {
  return call.q.dtype == DType::bf16 ? launch_softmax_wide_bf16(call, k_map, v_map, stream)
                                     : launch_softmax_wide_f16(call, k_map, v_map, stream);
}

cudaError_t launch_softmax_persistent(const SoftmaxCall& call, const SoftmaxForm& form,
                                      const PersistentMaps& maps, const SplitUnits& split,
                                      std::int32_t multiprocessors, cudaStream_t stream) {
  return call.q.dtype == DType::bf16
             ? launch_softmax_persistent_bf16(call, form, maps, split, multiprocessors, stream)
             : launch_softmax_persistent_f16(call, form, maps, split, multiprocessors, stream);
}

}  // namespace attnbench::cuda
