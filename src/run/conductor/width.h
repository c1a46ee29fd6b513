#pragma once

#include <optional>
#include <span>
#include <string>

#include "store/records.h"

namespace attnbench {

/// Half-width of the 95 % interval of the ratio baseline / alias over the valid processes, as a share of the
/// ratio. Nothing for fewer than two.
std::optional<double> alias_half_width(std::span<const ProcessRecord> processes,
                                       const std::string& baseline_id);

/// The publish profile's rule, on widths alone: that of the A/A ratio <= 1 %, of every kernel's ratio <= 2 %.
bool narrow_enough(std::span<const ProcessRecord> processes, const std::string& baseline_id);

}  // namespace attnbench
