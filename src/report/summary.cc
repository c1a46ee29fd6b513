#include "report/summary.h"

#include <nlohmann/json.hpp>

#include "analysis/summary_json.h"
#include "analysis/tables.h"
#include "claims/claim_json.h"
#include "stats/constants.h"

namespace attnbench {

using nlohmann::json;

json summary_json(const Analysis& analysis, std::span<const ClaimResult> claims) {
  auto runs = json::array();
  for (const auto& run : analysis.runs) runs.push_back(to_json(run));
  auto answers = json::array();
  for (const auto& claim : claims) answers.push_back(to_json(claim));
  return {{"format", "attnbench-summary"},    {"version", kSummaryVersion},
          {"confidence", stats::kConfidence}, {"runs", std::move(runs)},
          {"claims", std::move(answers)},     {"tables", figure_tables(analysis)}};
}

}  // namespace attnbench
