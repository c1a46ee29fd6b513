#pragma once

#include <nlohmann/json_fwd.hpp>

#include "claims/claim_answer.h"

namespace attnbench {

/// A claim with its answers, as `attnbench claims --json` and summary.json show it. Unknown is null.
nlohmann::json to_json(const ClaimResult& result);

}  // namespace attnbench
