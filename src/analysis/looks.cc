#include "analysis/looks.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "stats/equivalence.h"

namespace attnbench {

namespace {

/// The plans of imported runs may lack a profile.
bool stops_on_width(const RunRecord& run) {
  const nlohmann::json::json_pointer pointer("/profile/stops_on_width");
  return run.profile == "publish" ||
         (run.plan->is_object() && run.plan->contains(pointer) && run.plan->at(pointer) == true);
}

}  // namespace

std::vector<int> planned_looks(const RunRecord& run) {
  const nlohmann::json::json_pointer pointer("/profile/processes");
  if (!run.plan->is_object() || !run.plan->contains(pointer)) return {};
  std::vector<int> looks;
  for (const auto& look : run.plan->at(pointer)) {
    if (look.is_number_integer()) looks.push_back(look.get<int>());
  }
  std::sort(looks.begin(), looks.end());
  return looks;
}

int judged_processes(const RunRecord& run, int valid_processes) {
  if (!stops_on_width(run)) return valid_processes;
  int judged = 0;
  for (const int look : planned_looks(run)) {
    if (look <= valid_processes) judged = look;
  }
  return judged > 0 ? judged : valid_processes;
}

std::optional<double> planned_margin(const RunRecord& run) {
  if (!stops_on_width(run)) return std::nullopt;
  const auto looks = planned_looks(run);
  if (looks.empty() || looks.front() >= static_cast<int>(stats::kProcessesForNarrowMargin))
    return std::nullopt;
  return stats::kWideEquivalenceRatio;
}

}  // namespace attnbench
