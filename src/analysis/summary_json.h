#pragma once

#include <nlohmann/json_fwd.hpp>

#include "analysis/analysis.h"

namespace attnbench {

/// A run as an element of `runs` in summary.json (docs/summary.schema.json). Deterministic.
nlohmann::json to_json(const RunAnalysis& run);

}  // namespace attnbench
