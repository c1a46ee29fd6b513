#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/ceilings.h"
#include "run/conductor/cell_state.h"
#include "run/conductor/conduct.h"
#include "run/protocol/worker_identity.h"
#include "store/records.h"

namespace attnbench {

struct Probe {
  RunRecord run;
  std::vector<KernelOffer> kernels;                          ///< that the workers' build has
  std::map<int, WorkerIdentity> workers;                     ///< by the plan's thread count
  std::map<std::pair<int, std::string>, Ceilings> ceilings;  ///< by thread count and device

  const WorkerIdentity& worker(const Cell& cell) const { return workers.at(cell.threads); }
  const Ceilings& ceilings_of(const Cell& cell) const { return ceilings.at({cell.threads, cell.device}); }
};

/// Asks the machine that will measure who it is, once for each thread count of the plan. Throws InputError
/// where the answers are not those of one machine and program.
Probe probe_machine(const RunOptions& options);
/// Fills in the cell's record but for its kernels.
void describe(CellState& state, const Probe& probe);

}  // namespace attnbench
