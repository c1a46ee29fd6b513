#pragma once

#include <string>
#include <vector>

#include "analysis/analysis.h"

namespace attnbench {

struct GroupedCells {
  std::string common;  ///< what all groups share: "cpu, prefill, hot caches, batch 1, 8 heads, .."
  std::vector<GroupAnalysis> groups;
};

/// Puts cells that differ in N alone together, N rising; groups in the order of the cells. Sets id, heading,
/// dtype and the kernels' labels.
GroupedCells group_cells(std::vector<CellAnalysis> cells);

}  // namespace attnbench
