// Path amx: bf16 in and out by tdpbf16ps, f32 sums.
#define ATTNBENCH_TARGET \
  "avx2,fma,f16c,avx512f,avx512bw,avx512dq,avx512vl,avx512cd,avx512vbmi,avx512bf16,amx-tile,amx-bf16"

#include "core/register_kernel.h"
#include "engines/cpu/fused/softmax/amx_path.h"
#include "engines/cpu/fused/softmax/softmax_kernel.h"
#include "engines/cpu/fused/tiles.h"

namespace attnbench::cpu::fused {
namespace {

std::string_view missing(const CpuFeatures& features) { return features.amx_bf16 ? "" : "AMX BF16"; }

constexpr SoftmaxPath kPath = amx_path<AmxTiles>("amx", missing);

}  // namespace
}  // namespace attnbench::cpu::fused

ATTNBENCH_REGISTER_KERNEL(fused_softmax_amx) {
  static const attnbench::cpu::fused::SoftmaxKernel kernel(attnbench::cpu::fused::kPath);
  return kernel;
}
