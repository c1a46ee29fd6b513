#pragma once

#include <cstdint>
#include <functional>
#include <span>

#include "run/ceilings/ceilings.h"
#include "run/conductor/cell_state.h"
#include "run/conductor/conduct.h"
#include "run/conductor/progress.h"
#include "store/store.h"

namespace attnbench {

/// A cell of one run: what is measured, by which program, and where it goes.
struct CellRun {
  const RunOptions& options;
  std::int64_t run = 0;
  CellState& state;
  const Ceilings& ceilings;
};

/// Measures a cell once, in a fresh worker of each run (one, or the builds of a pair), and commits the
/// processes, valid or not, with what was measured. Workers of several runs take turns block by block, each
/// first in every other block; their processes bear the same number. A kernel that breaks is quarantined and
/// its run's cell starts over without it. `on_block` is called between blocks with the number done. Returns
/// true if a kernel failed. Throws Interrupted after committing the part measured.
bool measure_together(std::span<CellRun> runs, Store& store, Progress& progress,
                      const std::function<void(int)>& on_block);

}  // namespace attnbench
