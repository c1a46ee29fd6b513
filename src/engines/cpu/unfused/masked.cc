/// Sliding windows as dense attention under a band mask ("MaskedSWA"): all pairs are computed.
#include "core/register_kernel.h"
#include "engines/cpu/unfused/dense.h"

namespace attnbench::cpu {
namespace {

struct BandAttention final : DenseAttention {
  BandAttention(const Problem& problem, const CpuDevice& device)
      : DenseAttention(problem, device, KvHeads::shared) {}
};

class Masked final : public UnfusedKernel<BandAttention> {
 public:
  std::string_view kernel() const override { return "masked"; }
  std::vector<MechanismKind> mechanisms() const override { return {MechanismKind::swa}; }

 protected:
  double core_flops(const Problem& problem) const override { return dense_flops(problem); }
  std::optional<double> core_moved_bytes(const Problem& problem) const override {
    return dense_moved_bytes(problem, DenseAttention::KvHeads::shared);
  }
};

}  // namespace
}  // namespace attnbench::cpu

ATTNBENCH_REGISTER_KERNEL(cpu_masked) {
  static const attnbench::cpu::Masked kernel;
  return kernel;
}
