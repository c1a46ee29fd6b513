#define ATTNBENCH_TARGET "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512vbmi,avx512bf16"

#include "emulated_amx.h"
#include "engines/cpu/fused/softmax/amx_path.h"
#include "engines/cpu/fused/softmax/softmax_kernel.h"
#include "engines/cpu/fused/tiles_emulated.h"

namespace attnbench {
namespace {

std::string_view missing(const CpuFeatures& features) {
  if (!__builtin_cpu_supports("avx512vbmi")) return "avx512vbmi";  // every CPU with AMX has it
  return features.avx512_bf16 ? "" : "avx512_bf16";
}

constexpr auto kPath = cpu::fused::amx_path<cpu::fused::EmulatedTiles>("amx_emulated", missing);

}  // namespace

const KernelInfo* emulated_amx_kernel() {
  static const cpu::fused::SoftmaxKernel kernel(kPath);
  return &kernel;
}

}  // namespace attnbench
