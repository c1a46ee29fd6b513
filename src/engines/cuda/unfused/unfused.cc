/// mha, gqa and mqa as three operations with materialised scores; gqa and mqa first repeat K and V in memory,
/// as eager frameworks do.
#include "core/register_kernel.h"
#include "engines/cuda/unfused/dense.h"

namespace attnbench::cuda {
namespace {

struct RepeatingAttention final : DenseAttention {
  RepeatingAttention(const Problem& problem, const Device& device)
      : DenseAttention(problem, device, KvHeads::repeated) {}
};

class Unfused final : public UnfusedKernel<RepeatingAttention> {
 public:
  std::string_view kernel() const override { return "unfused"; }
  std::vector<MechanismKind> mechanisms() const override {
    return {MechanismKind::mha, MechanismKind::gqa, MechanismKind::mqa};
  }
  double core_flops(const Problem& problem) const override { return dense_flops(problem); }
};

}  // namespace
}  // namespace attnbench::cuda

ATTNBENCH_REGISTER_KERNEL(cuda_unfused) {
  static const attnbench::cuda::Unfused kernel;
  return kernel;
}
