#include "engines/cuda/mask.h"
#include "engines/cudnn/sdpa_graph.h"

namespace attnbench::cudnn {

Band band_of(const Mechanism& mechanism, std::int64_t queries, std::int64_t keys) {
  const auto mask = cuda::mask_of(mechanism);
  if (!mask.window && !mask.causal) return {};
  const std::int64_t right = mask.causal ? 0 : mask.right;
  // cuDNN takes a left bound alone in few versions, and in one of them wrongly.
  if (mask.window && mask.left < keys - 1) return {std::int64_t{mask.left} + 1, right};
  const auto first_position = keys - queries;
  return {-1, first_position + right < keys - 1 ? right : -1};
}

Support problem_support(const Problem& problem) {
  const auto& s = problem.shape;
  if (s.dtype_q == DType::f32) return Support::no("cuDNN's attention takes bf16 and f16 alone");
  if (!s.seqlens_kv.empty()) return Support::no("one length for the whole batch only (seqlens_kv)");
  return Support::yes();
}

}  // namespace attnbench::cudnn
