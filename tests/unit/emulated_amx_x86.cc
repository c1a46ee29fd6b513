#define ATTNBENCH_TARGET "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512vbmi,avx512bf16"

#include "attnbench/cpu_device.h"
#include "emulated_amx.h"
#include "engines/cpu/fused/linear/amx_ops.h"
#include "engines/cpu/fused/linear/kernel.h"
#include "engines/cpu/fused/softmax/amx_path.h"
#include "engines/cpu/fused/softmax/softmax_kernel.h"
#include "engines/cpu/fused/tiles_emulated.h"

namespace attnbench {
namespace {

std::string_view missing(const CpuFeatures& features) {
  if (!__builtin_cpu_supports("avx512vbmi")) return "AVX-512 VBMI";  // every CPU with AMX has it
  return features.avx512_bf16 ? "" : "AVX-512 BF16";
}

constexpr auto kPath = cpu::fused::amx_path<cpu::fused::EmulatedTiles>("amx_emulated", missing);

class EmulatedLinear final : public cpu::linear::LinearKernel {
 public:
  explicit EmulatedLinear(MechanismKind kind)
      : LinearKernel(kind, "amx_emulated", [](DType) -> const cpu::linear::Ops& {
          return cpu::linear::kAmxOps<cpu::fused::EmulatedTiles>;
        }) {}

 protected:
  Support path_supports(DType dtype, const CpuFeatures& features) const override {
    if (dtype != DType::bf16) return Support::no("bf16 only");
    return features.avx512 ? Support::yes() : Support::no("this CPU lacks AVX-512");
  }
};

}  // namespace

const KernelInfo* emulated_amx_kernel() {
  static const cpu::fused::SoftmaxKernel kernel(kPath);
  return &kernel;
}

const KernelInfo* emulated_amx_kernel(MechanismKind kind) {
  static const EmulatedLinear linear(MechanismKind::linear);
  static const EmulatedLinear causal(MechanismKind::causal_linear);
  return kind == MechanismKind::linear ? &linear : &causal;
}

}  // namespace attnbench
