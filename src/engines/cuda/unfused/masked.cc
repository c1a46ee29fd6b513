/// Sliding windows as dense attention under a band mask: all pairs are computed.
#include "core/register_kernel.h"
#include "engines/cuda/unfused/dense.h"

namespace attnbench::cuda {
namespace {

struct BandAttention final : DenseAttention {
  BandAttention(const Problem& problem, const Device& device)
      : DenseAttention(problem, device, KvHeads::shared) {}
};

class Masked final : public UnfusedKernel<BandAttention> {
 public:
  std::string_view kernel() const override { return "masked"; }
  std::vector<MechanismKind> mechanisms() const override { return {MechanismKind::swa}; }
  double core_flops(const Problem& problem) const override { return dense_flops(problem); }
};

}  // namespace
}  // namespace attnbench::cuda

ATTNBENCH_REGISTER_KERNEL(cuda_masked) {
  static const attnbench::cuda::Masked kernel;
  return kernel;
}
