#include "report/no_verdicts.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

namespace attnbench {

std::vector<std::string> no_verdicts(std::span<const CellAnalysis* const> cells) {
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> reasons;
  for (const auto* cell : cells) {
    if (cell->withheld.empty()) continue;
    const auto same = std::find_if(reasons.begin(), reasons.end(),
                                   [&](const auto& reason) { return reason.first == cell->withheld; });
    auto& reason =
        same == reasons.end() ? reasons.emplace_back(cell->withheld, std::vector<std::int64_t>{}) : *same;
    reason.second.push_back(cell->seqlen());
  }
  std::vector<std::string> lines;
  for (const auto& [why, seqlens] : reasons)
    lines.push_back(fmt::format("no verdicts at N = {}: {}", fmt::join(seqlens, ", "), why));
  return lines;
}

std::vector<std::string> no_verdicts(const GroupAnalysis& group) {
  std::vector<const CellAnalysis*> cells;
  for (const auto& cell : group.cells) cells.push_back(&cell);
  return no_verdicts(cells);
}

}  // namespace attnbench
