#include "engines/cuda/unfused/common.h"

#include "engines/cuda/cublaslt.h"

namespace attnbench::cuda {

Support unfused_support(const Problem& problem, const Device& device) {
  if (auto support = basic_support(problem, device); !support) return support;
  if (problem.shape.dtype_q == DType::f16) return Support::no("f32 and bf16 only");
  if (!problem.shape.seqlens_kv.empty())
    return Support::no("one length for the whole batch only (seqlens_kv)");
  if (const auto& why = cublaslt().why_missing; !why.empty()) return Support::no(why);
  return Support::yes();
}

}  // namespace attnbench::cuda
