#include <algorithm>

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
  // cuDNN 9.19 on an H200: all of o is NaN. With a left bound as well it is right.
  const auto rows = std::min(s.seqlen_q, s.seqlen_kv);
  const auto band = band_of(problem.mechanism, rows, s.seqlen_kv);
  if (s.softmax_scale < 0 && band.left < 0 && band.right >= 0)
    return Support::no("cuDNN gives NaN under a causal mask where softmax_scale is negative");
  return Support::yes();
}

}  // namespace attnbench::cudnn
