#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "run/conductor/conduct.h"

namespace attnbench {

/// Of the machine that will measure; 0 (not known) behind a launcher.
std::int64_t known_memory_bytes(const RunOptions& options);

/// What a run would measure: each cell with its kernels, bytes, kernels that are unsupported or do not fit in
/// memory with their reasons, the memory available (null: not known, nothing was checked), and an estimate of
/// the time from nominal rates (nothing is measured). Throws InputError where no cell fits in memory and
/// where no machine can keep to the budget.
nlohmann::json dry_run_json(const RunOptions& options);
std::string dry_run_text(const RunOptions& options);

}  // namespace attnbench
