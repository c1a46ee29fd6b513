/// mha, gqa and mqa as three operations with materialised scores; gqa and mqa first repeat K and V in memory,
/// as eager MLX does.
#include "core/register_kernel.h"
#include "engines/cpu/unfused/dense.h"

namespace attnbench::cpu {
namespace {

struct RepeatingAttention final : DenseAttention {
  RepeatingAttention(const Problem& problem, const CpuDevice& device)
      : DenseAttention(problem, device, KvHeads::repeated) {}
};

class Unfused final : public UnfusedKernel<RepeatingAttention> {
 public:
  std::string_view kernel() const override { return "unfused"; }
  std::vector<MechanismKind> mechanisms() const override {
    return {MechanismKind::mha, MechanismKind::gqa, MechanismKind::mqa};
  }

 protected:
  double core_flops(const Problem& problem) const override { return dense_flops(problem); }
  std::optional<double> core_moved_bytes(const Problem& problem) const override {
    return dense_moved_bytes(problem, DenseAttention::KvHeads::repeated);
  }
};

}  // namespace
}  // namespace attnbench::cpu

ATTNBENCH_REGISTER_KERNEL(cpu_unfused) {
  static const attnbench::cpu::Unfused kernel;
  return kernel;
}
