#pragma once

#include <optional>
#include <span>
#include <string>

#include "plan/study.h"
#include "store/records.h"

namespace attnbench {

/// Half-width of the 95 % interval of the ratio baseline / alias over the valid processes, as a share of the
/// ratio. Nothing for fewer than two.
std::optional<double> alias_half_width(std::span<const ProcessRecord> processes,
                                       const std::string& baseline_id);

/// The rule of a profile that stops on width, on widths alone: those of the A/A ratio and of every kernel's
/// ratio.
bool narrow_enough(std::span<const ProcessRecord> processes, const std::string& baseline_id,
                   const Profile& profile);

}  // namespace attnbench
