#pragma once

#include <nlohmann/json_fwd.hpp>
#include <span>

#include "analysis/analysis.h"
#include "claims/claim_answer.h"

namespace attnbench {

/// Of summary.json: raised whenever a field is added, removed or means something else, but for what is there
/// only where it was asked for (a profile's).
inline constexpr int kSummaryVersion = 3;

/// summary.json, as docs/summary.schema.json describes it: the analysis, the answers to the claims and the
/// flat tables of the figures. Deterministic.
nlohmann::json summary_json(const Analysis& analysis, std::span<const ClaimResult> claims);

}  // namespace attnbench
