#include "report/baselines.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <utility>

namespace attnbench {

std::vector<std::string> baselines_of(const RunAnalysis& run) {
  std::vector<std::string> baselines;
  for (const auto& group : run.groups) {
    for (const auto& cell : group.cells) {
      const bool known = std::find(baselines.begin(), baselines.end(), cell.baseline) != baselines.end();
      if (!known && !cell.baseline.empty()) baselines.push_back(cell.baseline);
    }
  }
  return baselines;
}

std::string baselines_text(std::span<const CellAnalysis* const> cells) {
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> found;
  for (const auto* cell : cells) {
    if (cell->baseline.empty()) continue;
    auto its =
        std::find_if(found.begin(), found.end(), [&](const auto& f) { return f.first == cell->baseline; });
    if (its == found.end()) its = found.insert(its, {cell->baseline, {}});
    its->second.push_back(cell->seqlen());
  }
  if (found.size() == 1) return found.front().first;
  std::vector<std::string> texts;
  for (const auto& [baseline, lengths] : found)
    texts.push_back(fmt::format("{} at N = {}", baseline, fmt::join(lengths, ", ")));
  return fmt::format("{}", fmt::join(texts, "; "));
}

std::string baselines_text(const GroupAnalysis& group) {
  std::vector<const CellAnalysis*> cells;
  for (const auto& cell : group.cells) cells.push_back(&cell);
  return baselines_text(cells);
}

}  // namespace attnbench
