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

constexpr cpu::linear::LinearPath kLinearPath{
    "amx_emulated", DType::bf16,
    [](const CpuFeatures& features) -> std::string_view { return features.avx512 ? "" : "AVX-512"; },
    [](DType) -> const cpu::linear::Ops& { return cpu::linear::kAmxOps<cpu::fused::EmulatedTiles>; }};

}  // namespace

const KernelInfo* emulated_amx_kernel() {
  static const cpu::fused::SoftmaxKernel kernel(kPath);
  return &kernel;
}

const KernelInfo* emulated_amx_kernel(MechanismKind kind) {
  static const cpu::linear::LinearKernel linear(MechanismKind::linear, kLinearPath);
  static const cpu::linear::LinearKernel causal(MechanismKind::causal_linear, kLinearPath);
  return kind == MechanismKind::linear ? &linear : &causal;
}

}  // namespace attnbench
