#include "engines/cpu/fused/softmax/softmax_kernel.h"

#include <fmt/format.h>

#include <limits>

#include "engines/cpu/fused/softmax/execution.h"

namespace attnbench::cpu::fused {

std::vector<MechanismKind> SoftmaxKernel::mechanisms() const {
  return {MechanismKind::mha, MechanismKind::gqa, MechanismKind::mqa, MechanismKind::swa,
          MechanismKind::block_sparse};
}

Support SoftmaxKernel::core_supports(const Problem& problem, const Device& device) const {
  const auto& s = problem.shape;
  if (!problem.mechanism.is_softmax()) return Support::no("computes softmax mechanisms only");
  if (const auto missing = path_.missing(device.features); !missing.empty()) {
    return Support::no(fmt::format("this CPU lacks {}", missing));
  }
  for (const auto dtype : {s.dtype_q, s.dtype_kv, s.dtype_o}) {
    if (dtype != path_.dtype) {
      return Support::no(
          fmt::format("path {} computes {}, not {}", path_.name, name(path_.dtype), name(dtype)));
    }
  }
  for (const auto head_dim : {s.head_dim_qk, s.head_dim_v}) {
    if (head_dim % kHeadDimUnit != 0 || head_dim > kMaxHeadDim) {
      return Support::no(
          fmt::format("head_dim {} is not a multiple of {} up to {}", head_dim, kHeadDimUnit, kMaxHeadDim));
    }
  }
  constexpr auto kLargest = std::numeric_limits<std::int32_t>::max() - kTileKeys;
  if (s.seqlen_kv > kLargest) return Support::no(fmt::format("seqlen_kv is above {}", kLargest));
  return Support::yes();
}

std::unique_ptr<Execution> SoftmaxKernel::core_prepare(const Problem& problem, const Device& device) const {
  return std::make_unique<SoftmaxExecution>(path_, problem, device);
}

double SoftmaxKernel::core_flops(const Problem& problem) const {
  return executed_softmax_flops(path_, problem);
}

std::int64_t SoftmaxKernel::core_workspace_bytes(const Problem& problem, const Device& device) const {
  return SoftmaxExecution::planned_bytes(path_, problem, device);
}

}  // namespace attnbench::cpu::fused
