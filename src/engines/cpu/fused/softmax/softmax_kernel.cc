#include "engines/cpu/fused/softmax/softmax_kernel.h"

#include <fmt/format.h>

#include <limits>

#include "engines/cpu/fused/softmax/execution.h"

namespace attnbench::cpu::fused {

std::vector<MechanismKind> SoftmaxKernel::mechanisms() const {
  return {MechanismKind::mha, MechanismKind::gqa, MechanismKind::mqa, MechanismKind::swa,
          MechanismKind::block_sparse};
}

const SoftmaxPath* SoftmaxKernel::path_of(DType dtype) const {
  if (select_ != nullptr) return select_(dtype);
  return dtype == one_->dtype ? one_ : nullptr;
}

Support SoftmaxKernel::core_supports(const Problem& problem, const CpuDevice& device) const {
  const auto& s = problem.shape;
  if (!problem.mechanism.is_softmax()) return Support::no("computes softmax mechanisms only");
  for (const auto dtype : {s.dtype_q, s.dtype_kv, s.dtype_o}) {
    if (path_of(dtype) == nullptr) {
      return Support::no(one_ != nullptr ? fmt::format("{} only, not {}", name(one_->dtype), name(dtype))
                                         : fmt::format("path {} does not compute {}", name_, name(dtype)));
    }
    if (dtype != s.dtype_q) return Support::no("one element type for q, k, v and o only");
  }
  if (const auto missing = path_of(s.dtype_q)->missing(device.features); !missing.empty()) {
    return Support::no(fmt::format("this CPU lacks {}", missing));
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

std::unique_ptr<HostExecution> SoftmaxKernel::core_prepare(const Problem& problem,
                                                           const CpuDevice& device) const {
  return std::make_unique<SoftmaxExecution>(*path_of(problem.shape.dtype_q), problem, device);
}

double SoftmaxKernel::core_flops(const Problem& problem) const {
  return executed_softmax_flops(*path_of(problem.shape.dtype_q), problem);
}

std::optional<double> SoftmaxKernel::core_moved_bytes(const Problem& problem) const {
  return softmax_moved_bytes(problem);
}

std::int64_t SoftmaxKernel::core_workspace_bytes(const Problem& problem, const CpuDevice& device) const {
  return SoftmaxExecution::planned_bytes(*path_of(problem.shape.dtype_q), problem, device);
}

}  // namespace attnbench::cpu::fused
