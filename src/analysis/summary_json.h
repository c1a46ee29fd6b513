#pragma once

#include <nlohmann/json_fwd.hpp>

#include "analysis/analysis.h"

namespace attnbench {

/// Of summary.json: raised whenever a field is added, removed or means something else.
inline constexpr int kSummaryVersion = 2;

/// summary.json, as docs/summary.schema.json describes it: the analysis and the flat tables of the figures.
/// Deterministic.
nlohmann::json to_json(const Analysis& analysis);

}  // namespace attnbench
