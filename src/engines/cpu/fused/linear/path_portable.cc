#include "core/register_kernel.h"
#include "engines/cpu/fused/linear/kernel.h"

namespace attnbench::cpu::linear {
namespace {

class Portable final : public LinearKernel {
 public:
  explicit Portable(MechanismKind kind) : LinearKernel(kind, "portable", ops_portable) {}

 protected:
  Support path_supports(DType dtype, const CpuFeatures&) const override {
    if (dtype == DType::f16) return Support::no("f32 or bf16 only");
    return Support::yes();
  }
};

}  // namespace
}  // namespace attnbench::cpu::linear

ATTNBENCH_REGISTER_KERNEL(cpu_linear_fused_portable) {
  static const attnbench::cpu::linear::Portable kernel(attnbench::MechanismKind::linear);
  return kernel;
}

ATTNBENCH_REGISTER_KERNEL(cpu_causal_linear_chunked_portable) {
  static const attnbench::cpu::linear::Portable kernel(attnbench::MechanismKind::causal_linear);
  return kernel;
}
