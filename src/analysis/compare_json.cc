#include <cmath>
#include <nlohmann/json.hpp>
#include <string>

#include "analysis/compare.h"
#include "analysis/format.h"
#include "analysis/json_values.h"

namespace attnbench {
namespace {

using nlohmann::json;

std::string_view name_of(ComparisonBasis basis) {
  switch (basis) {
    case ComparisonBasis::kPaired:
      return "paired";
    case ComparisonBasis::kAbsolute:
      return "absolute";
    case ComparisonBasis::kRelative:
      break;
  }
  return "relative";
}

json compared_json(const ComparedKernel& r) {
  const auto& j = r.judgement;
  return {{"cell_id", r.cell_id},
          {"seqlen", r.seqlen},
          {"kernel", r.kernel_id.empty() ? json() : json(r.kernel_id)},
          {"is_baseline", r.is_baseline},
          {"confirmed", r.confirmed},
          {"outcome", to_string(r.outcome)},
          {"reason", r.reason},
          {"processes", r.processes},
          {"cell_processes", r.cell_processes},
          {"old_seconds", interval_json(r.old_seconds)},
          {"new_seconds", interval_json(r.new_seconds)},
          {"times", interval_json(r.times)},
          {"old_to_baseline", interval_json(r.old_to_baseline)},
          {"new_to_baseline", interval_json(r.new_to_baseline)},
          {"ratio", interval_json(r.ratio)},
          {"slower_limit", r.slower_limit && std::isfinite(*r.slower_limit) ? json(*r.slower_limit) : json()},
          {"verdict", j ? json(stats::to_string(j->verdict)) : json()},
          {"verdict_words", j ? json(verdict_text(*j)) : json()},
          {"p_beyond_threshold_adjusted", value_json(r.beyond_p_adjusted)},
          {"p_difference_adjusted", j ? json(j->difference_p_adjusted) : json()},
          {"p_equivalence_adjusted", j ? json(j->equivalence_p_adjusted) : json()}};
}

}  // namespace

json to_json(const Comparison& c) {
  auto rows = json::array();
  for (const auto& row : c.rows) rows.push_back(compared_json(row));
  return {{"format", "attnbench-comparison"},
          {"version", 3},
          {"basis", name_of(c.basis)},
          {"paired", c.basis == ComparisonBasis::kPaired},
          {"old", {{"build_id", c.old_build}, {"machine", c.old_machine}}},
          {"new", {{"build_id", c.new_build}, {"machine", c.new_machine}}},
          {"threshold", c.threshold},
          {"outcome", to_string(c.outcome())},
          {"passed", c.count(ComparisonOutcome::kPassed)},
          {"regressions", c.count(ComparisonOutcome::kRegression)},
          {"lost", c.count(ComparisonOutcome::kLost)},
          {"not_decided", c.count(ComparisonOutcome::kUndecided)},
          {"not_ranked", c.count(ComparisonOutcome::kUnranked)},
          {"not_decided_cells", c.undecided_cells()},
          {"warnings", c.warnings},
          {"rows", rows}};
}

}  // namespace attnbench
