#include "core/register_kernel.h"
#include "engines/cpu/fused/linear/kernel.h"

namespace attnbench::cpu::linear {
namespace {

class Avx512 final : public LinearKernel {
 public:
  explicit Avx512(MechanismKind kind)
      : LinearKernel(kind, "avx512", [](DType) -> const Ops& { return ops_avx512(); }) {}

 protected:
  Support path_supports(DType dtype, const CpuFeatures& features) const override {
    if (dtype != DType::f32) return Support::no("f32 only");
    if (!features.avx512) return Support::no("this CPU lacks AVX-512");
    return Support::yes();
  }
};

}  // namespace
}  // namespace attnbench::cpu::linear

ATTNBENCH_REGISTER_KERNEL(cpu_linear_fused_avx512) {
  static const attnbench::cpu::linear::Avx512 kernel(attnbench::MechanismKind::linear);
  return kernel;
}

ATTNBENCH_REGISTER_KERNEL(cpu_causal_linear_chunked_avx512) {
  static const attnbench::cpu::linear::Avx512 kernel(attnbench::MechanismKind::causal_linear);
  return kernel;
}
