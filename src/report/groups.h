#pragma once

#include <string>
#include <vector>

#include "report/summary.h"

namespace attnbench {

/// Cells of a run that differ in N alone, N rising: one block of a table.
struct CellGroup {
  std::string heading;  ///< "core f32", and what else tells it from the run's other groups
  std::vector<const CellSummary*> cells;
};

struct GroupedRun {
  std::string common;  ///< what all groups share: "cpu, prefill, hot caches, batch 1, 8 heads, .."
  std::vector<CellGroup> groups;
};

/// Groups in the order of the run's cells. Points into the summary.
GroupedRun group_cells(const RunSummary& summary);

}  // namespace attnbench
