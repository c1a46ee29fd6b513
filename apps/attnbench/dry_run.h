#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "run/conductor/conduct.h"

namespace attnbench {

/// What a run would measure: each cell with its kernels, bytes, unsupported kernels with their reasons, and
/// an estimate of the time from nominal rates (nothing is measured).
nlohmann::json dry_run_json(const RunOptions& options);
std::string dry_run_text(const RunOptions& options);

}  // namespace attnbench
