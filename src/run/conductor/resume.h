#pragma once

#include <vector>

#include "run/conductor/cell_state.h"
#include "run/conductor/conduct.h"
#include "store/store.h"

namespace attnbench {

/// Adds `wanted` to an empty store, or finds the run that it continues. Throws InputError naming the first
/// difference if the store holds another plan, build or machine.
std::int64_t find_or_add_run(Store& store, const RunRecord& wanted);

/// The state of each cell of the study from what the store already has. A cell without a record comes back
/// with an empty one.
std::vector<CellState> restore_cells(const Store& store, std::int64_t run, const Study& study);

}  // namespace attnbench
