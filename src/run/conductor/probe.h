#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/ceilings.h"
#include "run/conductor/cell_state.h"
#include "run/conductor/conduct.h"
#include "store/records.h"

namespace attnbench {

struct Probe {
  RunRecord run;
  std::string device;
  std::map<int, std::vector<int>> cpus;  ///< by the plan's thread count
  std::map<int, Ceilings> ceilings;
};

/// Asks the machine that will measure who it is, once for each thread count of the plan.
Probe probe_machine(const RunOptions& options);
/// Fills in the cell's record but for its kernels.
void describe(CellState& state, const Probe& probe);

}  // namespace attnbench
