#include "run/ceilings/default_path.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace attnbench {
namespace {

/// A path and the unit that does its multiply-adds, the most specialised first. No unit: f32 arithmetic on
/// the widest registers, as in paths that are not listed.
struct PathUnit {
  std::string_view path;
  std::string_view unit;
};
constexpr std::array kPathUnits{PathUnit{"amx", "tdpbf16ps"}, PathUnit{"avx512bf16", "vdpbf16ps"},
                                PathUnit{"avx512", ""}};

std::size_t rank(std::string_view path) {
  const auto found = std::find_if(kPathUnits.begin(), kPathUnits.end(),
                                  [&](const PathUnit& entry) { return entry.path == path; });
  return static_cast<std::size_t>(found - kPathUnits.begin());
}

double attainable_flops(std::string_view path, const Ceilings& ceilings) {
  const auto own = rank(path);
  if (own == kPathUnits.size() || kPathUnits[own].unit.empty())
    return compute_ceiling_flops(ceilings, DType::f32);
  double greatest = 0;
  for (const auto& ceiling : ceilings.compute) {
    if (ceiling.unit == kPathUnits[own].unit) greatest = std::max(greatest, ceiling.flops_per_second);
  }
  return greatest;
}

}  // namespace

const KernelInfo* default_path(const KernelInfo& kernel, std::span<const KernelInfo* const> kernels,
                               const Problem& problem, const Device& device, const Ceilings& ceilings) {
  const KernelInfo* best = nullptr;
  for (const auto* other : kernels) {
    if (other->kernel() != kernel.kernel() || other->engine() != kernel.engine()) continue;
    if (!other->supports(problem, device)) continue;
    if (best != nullptr) {
      const auto gain = attainable_flops(other->path(), ceilings) - attainable_flops(best->path(), ceilings);
      if (gain < 0 || (gain == 0 && rank(other->path()) >= rank(best->path()))) continue;
    }
    best = other;
  }
  return best;
}

}  // namespace attnbench
