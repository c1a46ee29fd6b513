#pragma once

#include <cstdint>

#include "run/ceilings/ceilings.h"
#include "run/conductor/cell_state.h"
#include "run/conductor/conduct.h"
#include "run/conductor/progress.h"
#include "store/store.h"

namespace attnbench {

/// Asks a fresh worker which candidates of the cell are supported, fit in memory and are right (where the
/// profile wants default paths only, by `ceilings`: of those alone); stores the answers, the batch sizes and
/// the failures. A worker that dies is replaced and the kernel it was busy with fails. Returns true if a
/// kernel failed.
bool verify_cell_in_worker(const RunOptions& options, const std::vector<KernelOffer>& offers, Store& store,
                           std::int64_t run, CellState& state, const Ceilings& ceilings, Progress& progress);

}  // namespace attnbench
