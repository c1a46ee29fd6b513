#include "core/register_kernel.h"
#include "engines/cpu/fused/linear/kernel.h"

namespace attnbench::cpu::linear {
namespace {

constexpr LinearPath kAvx512Bf16{
    "avx512bf16", DType::bf16,
    [](const CpuFeatures& f) -> std::string_view { return f.avx512_bf16 ? "" : "AVX-512 BF16"; },
    [](DType) -> const Ops& { return ops_avx512bf16(); }};

}  // namespace
}  // namespace attnbench::cpu::linear

ATTNBENCH_REGISTER_KERNEL(cpu_linear_fused_avx512bf16) {
  using namespace attnbench;
  static const cpu::linear::LinearKernel kernel(MechanismKind::linear, cpu::linear::kAvx512Bf16);
  return kernel;
}

ATTNBENCH_REGISTER_KERNEL(cpu_causal_linear_chunked_avx512bf16) {
  using namespace attnbench;
  static const cpu::linear::LinearKernel kernel(MechanismKind::causal_linear, cpu::linear::kAvx512Bf16);
  return kernel;
}
