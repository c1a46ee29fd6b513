#pragma once

#include <optional>
#include <span>
#include <string>

#include "analysis/analysis.h"

namespace attnbench {

/// Medians over the processes that tell of the kernel; nothing where none does.
std::optional<StartUp> start_up_of(std::span<const ProcessRecord* const> processes,
                                   const std::string& kernel_id);

/// Calls from which k start-up surplus + k calls cost less than the baseline's. 0: from the first on. Nothing
/// where that never comes.
std::optional<std::int64_t> calls_to_pay_off(double surplus_seconds, double seconds,
                                             double baseline_surplus_seconds, double baseline_seconds);

/// Sets pays_off_after_calls of every kernel that has times, against the cell's baseline.
void set_pay_off(CellAnalysis& cell);

}  // namespace attnbench
