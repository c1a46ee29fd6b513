// Path amx: bf16 in and out by tdpbf16ps, f32 sums.
#define ATTNBENCH_TARGET "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512cd,amx-tile,amx-bf16"

#include "core/register_kernel.h"
#include "engines/cpu/fused/linear/amx_ops.h"
#include "engines/cpu/fused/linear/kernel.h"
#include "engines/cpu/fused/tiles.h"

namespace attnbench::cpu::linear {
namespace {

constexpr LinearPath kAmx{
    "amx", DType::bf16, [](const CpuFeatures& f) -> std::string_view { return f.amx_bf16 ? "" : "AMX BF16"; },
    [](DType) -> const Ops& { return kAmxOps<fused::AmxTiles>; }};

}  // namespace
}  // namespace attnbench::cpu::linear

ATTNBENCH_REGISTER_KERNEL(cpu_linear_fused_amx) {
  using namespace attnbench;
  static const cpu::linear::LinearKernel kernel(MechanismKind::linear, cpu::linear::kAmx);
  return kernel;
}

ATTNBENCH_REGISTER_KERNEL(cpu_causal_linear_chunked_amx) {
  using namespace attnbench;
  static const cpu::linear::LinearKernel kernel(MechanismKind::causal_linear, cpu::linear::kAmx);
  return kernel;
}
