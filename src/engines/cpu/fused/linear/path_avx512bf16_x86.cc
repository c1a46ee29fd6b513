#include "core/register_kernel.h"
#include "engines/cpu/fused/linear/kernel.h"

namespace attnbench::cpu::linear {
namespace {

class Avx512Bf16 final : public LinearKernel {
 public:
  explicit Avx512Bf16(MechanismKind kind)
      : LinearKernel(kind, "avx512bf16", [](DType) -> const Ops& { return ops_avx512bf16(); }) {}

 protected:
  Support path_supports(DType dtype, const CpuFeatures& features) const override {
    if (dtype != DType::bf16) return Support::no("bf16 only");
    if (!features.avx512_bf16) return Support::no("this CPU lacks AVX-512 BF16");
    return Support::yes();
  }
};

}  // namespace
}  // namespace attnbench::cpu::linear

ATTNBENCH_REGISTER_KERNEL(cpu_linear_fused_avx512bf16) {
  static const attnbench::cpu::linear::Avx512Bf16 kernel(attnbench::MechanismKind::linear);
  return kernel;
}

ATTNBENCH_REGISTER_KERNEL(cpu_causal_linear_chunked_avx512bf16) {
  static const attnbench::cpu::linear::Avx512Bf16 kernel(attnbench::MechanismKind::causal_linear);
  return kernel;
}
