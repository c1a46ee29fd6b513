#include "analysis/looks.h"

#include <algorithm>
#include <nlohmann/json.hpp>

namespace attnbench {

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
  if (run.profile != "publish") return valid_processes;
  int judged = 0;
  for (const int look : planned_looks(run)) {
    if (look <= valid_processes) judged = look;
  }
  return judged > 0 ? judged : valid_processes;
}

}  // namespace attnbench
