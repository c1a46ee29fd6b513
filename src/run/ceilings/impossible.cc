#include <fmt/format.h>

#include "run/ceilings/ceilings.h"
#include "run/noise/thresholds.h"

namespace attnbench {

std::optional<std::string> impossible(const Ceilings& ceilings, double executed_flops,
                                      double compulsory_bytes, double seconds, DType dtype) {
  const auto compute = compute_ceiling_flops(ceilings, dtype);
  if (compute > 0 && executed_flops > thresholds::kCeilingFactor * compute * seconds) {
    return fmt::format("{:.1f} GFLOP/s is {:.2f} x the measured {} ceiling of {:.1f}",
                       executed_flops / seconds * 1e-9, executed_flops / seconds / compute, name(dtype),
                       compute * 1e-9);
  }
  const auto bandwidth = bandwidth_ceiling(ceilings, compulsory_bytes);
  if (bandwidth > 0 && compulsory_bytes > thresholds::kCeilingFactor * bandwidth * seconds) {
    return fmt::format("{:.1f} GB/s is {:.2f} x the measured bandwidth over as many bytes of {:.1f}",
                       compulsory_bytes / seconds * 1e-9, compulsory_bytes / seconds / bandwidth,
                       bandwidth * 1e-9);
  }
  return std::nullopt;
}

}  // namespace attnbench
