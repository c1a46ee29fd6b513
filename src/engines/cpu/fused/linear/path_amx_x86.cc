// Path amx: bf16 in and out by tdpbf16ps, f32 sums.
#define ATTNBENCH_TARGET "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512cd,amx-tile,amx-bf16"

#include "core/register_kernel.h"
#include "engines/cpu/fused/linear/amx_ops.h"
#include "engines/cpu/fused/linear/kernel.h"
#include "engines/cpu/fused/tiles.h"

namespace attnbench::cpu::linear {
namespace {

class AmxPath final : public LinearKernel {
 public:
  explicit AmxPath(MechanismKind kind)
      : LinearKernel(kind, "amx", [](DType) -> const Ops& { return kAmxOps<fused::AmxTiles>; }) {}

 protected:
  Support path_supports(DType dtype, const CpuFeatures& features) const override {
    if (dtype != DType::bf16) return Support::no("bf16 only");
    if (!features.amx_bf16) return Support::no("this CPU lacks AMX BF16");
    return Support::yes();
  }
};

}  // namespace
}  // namespace attnbench::cpu::linear

ATTNBENCH_REGISTER_KERNEL(cpu_linear_fused_amx) {
  static const attnbench::cpu::linear::AmxPath kernel(attnbench::MechanismKind::linear);
  return kernel;
}

ATTNBENCH_REGISTER_KERNEL(cpu_causal_linear_chunked_amx) {
  static const attnbench::cpu::linear::AmxPath kernel(attnbench::MechanismKind::causal_linear);
  return kernel;
}
