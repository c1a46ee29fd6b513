#pragma once

#include <span>
#include <vector>

#include "run/conductor/cell_state.h"
#include "run/conductor/conduct.h"
#include "store/store.h"

namespace attnbench {

/// What RunRecord::plan["pair"]["role"] holds for two builds measured together; a run of its own has none.
inline constexpr const char* kNewBuild = "new";
inline constexpr const char* kOldBuild = "old";

/// Adds the wanted runs (one, or the builds of a pair) to an empty store, or finds those that they continue,
/// in the same order. Throws InputError naming the first difference if the store holds another plan, build or
/// machine.
std::vector<std::int64_t> find_or_add_runs(Store& store, std::span<const RunRecord> wanted);

/// The state of each cell of the study from what the store already has. A cell without a record comes back
/// with an empty one.
std::vector<CellState> restore_cells(const Store& store, std::int64_t run, const Study& study);

}  // namespace attnbench
