#include <fmt/format.h>

#include "run/ceilings/ceilings.h"
#include "run/noise/thresholds.h"

namespace attnbench {
namespace {

/// An engine may say any number.
std::string rate_text(double rate) {
  constexpr double kReadable = 1e7;
  return rate < kReadable ? fmt::format("{:.1f}", rate) : fmt::format("{:.3g}", rate);
}
std::string factor_text(double factor) {
  constexpr double kReadable = 1e4;
  return factor < kReadable ? fmt::format("{:.2f}", factor) : fmt::format("{:.3g}", factor);
}

}  // namespace

std::optional<std::string> impossible(const Ceilings& ceilings, double executed_flops,
                                      double compulsory_bytes, double seconds, DType dtype) {
  const auto compute = compute_ceiling_flops(ceilings, dtype);
  if (compute > 0 && executed_flops > thresholds::kCeilingFactor * compute * seconds) {
    return fmt::format(
        "{} GFLOP/s is {} x the measured {} ceiling of {}", rate_text(executed_flops / seconds * 1e-9),
        factor_text(executed_flops / seconds / compute), name(dtype), rate_text(compute * 1e-9));
  }
  const auto bandwidth = bandwidth_ceiling(ceilings, compulsory_bytes);
  if (bandwidth > 0 && compulsory_bytes > thresholds::kCeilingFactor * bandwidth * seconds) {
    return fmt::format("{} GB/s is {} x the measured bandwidth over as many bytes of {}",
                       rate_text(compulsory_bytes / seconds * 1e-9),
                       factor_text(compulsory_bytes / seconds / bandwidth), rate_text(bandwidth * 1e-9));
  }
  return std::nullopt;
}

}  // namespace attnbench
