#include "core/register_kernel.h"
#include "engines/cpu/fused/linear/kernel.h"

namespace attnbench::cpu::linear {
namespace {

constexpr LinearPath kPortable{
    "portable", {}, [](const CpuFeatures&) -> std::string_view { return ""; }, ops_portable};

}  // namespace
}  // namespace attnbench::cpu::linear

ATTNBENCH_REGISTER_KERNEL(cpu_linear_fused_portable) {
  using namespace attnbench;
  static const cpu::linear::LinearKernel kernel(MechanismKind::linear, cpu::linear::kPortable);
  return kernel;
}

ATTNBENCH_REGISTER_KERNEL(cpu_causal_linear_chunked_portable) {
  using namespace attnbench;
  static const cpu::linear::LinearKernel kernel(MechanismKind::causal_linear, cpu::linear::kPortable);
  return kernel;
}
