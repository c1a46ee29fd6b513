#pragma once

#include <string>
#include <vector>

#include "analysis/claims/claim_answer.h"

namespace attnbench {

/// "a, b and c".
std::string listed(const std::vector<std::string>& items, const char* last = "and");

/// One sentence for each comparison, or one for parts that differ in N alone. All are of one relation and
/// have data.
std::string describe(const std::vector<const ClaimPart*>& parts);

/// Many comparisons of one relation: how many are resolved how, and the extremes.
std::string summed_up(const std::vector<const ClaimPart*>& parts);

}  // namespace attnbench
