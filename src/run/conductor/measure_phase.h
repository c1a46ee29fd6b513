#pragma once

#include <cstdint>
#include <functional>

#include "run/ceilings/ceilings.h"
#include "run/conductor/cell_state.h"
#include "run/conductor/conduct.h"
#include "run/conductor/progress.h"
#include "store/store.h"

namespace attnbench {

/// Measures the cell once in a fresh worker and commits the process, valid or not, with what was measured.
/// A kernel that breaks is quarantined and the cell starts over without it. `on_block` is called between
/// blocks with the number done. Returns true if a kernel failed. Throws Interrupted after committing the part
/// measured.
bool measure_process(const RunOptions& options, Store& store, std::int64_t run, CellState& state,
                     const Ceilings& ceilings, Progress& progress, const std::function<void(int)>& on_block);

}  // namespace attnbench
