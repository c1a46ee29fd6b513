#include "core/register_kernel.h"
#include "engines/cpu/fused/linear/kernel.h"

namespace attnbench::cpu::linear {
namespace {

constexpr LinearPath kAvx512{
    "avx512", DType::f32, [](const CpuFeatures& f) -> std::string_view { return f.avx512 ? "" : "AVX-512"; },
    [](DType) -> const Ops& { return ops_avx512(); }};

}  // namespace
}  // namespace attnbench::cpu::linear

ATTNBENCH_REGISTER_KERNEL(cpu_linear_fused_avx512) {
  using namespace attnbench;
  static const cpu::linear::LinearKernel kernel(MechanismKind::linear, cpu::linear::kAvx512);
  return kernel;
}

ATTNBENCH_REGISTER_KERNEL(cpu_causal_linear_chunked_avx512) {
  using namespace attnbench;
  static const cpu::linear::LinearKernel kernel(MechanismKind::causal_linear, cpu::linear::kAvx512);
  return kernel;
}
