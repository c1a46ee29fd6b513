#include "engines/cpu/unfused/common.h"

namespace attnbench::cpu {

Support unfused_support(const Problem& problem, const CpuDevice& device, DType products) {
  const auto& s = problem.shape;
  if (s.dtype_kv != s.dtype_q || s.dtype_o != s.dtype_q) {
    return Support::no("needs one element type for q, k, v and o");
  }
  if (!s.seqlens_kv.empty()) return Support::no("one length for the whole batch only (seqlens_kv)");
  return matmul_support(products, device);
}

}  // namespace attnbench::cpu
