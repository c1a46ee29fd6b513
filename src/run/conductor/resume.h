#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "run/conductor/cell_state.h"
#include "run/conductor/conduct.h"
#include "store/store.h"

namespace attnbench {

/// What RunRecord::plan["pair"]["role"] holds for two builds measured together; a run of its own has none.
inline constexpr const char* kNewBuild = "new";
inline constexpr const char* kOldBuild = "old";

/// Throws InputError where the store's runs were measured with a plugin that is none of these files.
void require_plugins_named(const Store& store, const std::vector<std::string>& plugins);

/// Adds the wanted runs (one, or the builds of a pair) to an empty store, or finds those that they continue,
/// in the same order. Throws InputError naming the first difference if the store holds another plan, build,
/// machine, CPU set or plugin. A store of an earlier version does not tell the last two: they are not
/// compared.
std::vector<std::int64_t> find_or_add_runs(Store& store, std::span<const RunRecord> wanted);

/// The state of each cell of the study from what the store already has. A cell without a record comes back
/// with an empty one.
std::vector<CellState> restore_cells(const Store& store, std::int64_t run, const Study& study);
/// Throws InputError if what the store has of the cell was measured on other CPUs.
void require_same_cpus(const Store& store, const CellState& state, const std::vector<int>& cpus);

/// The plan of an existing store: what its run needs to go on without its command line.
struct StoredPlan {
  Study study;
  Profile profile;
  std::uint64_t seed = 0;
  bool accept_noise = false;
  std::string command;  ///< that asked for it; empty where not known
};
/// Nothing where there is no such file, it holds no run or several that were imported, or it does not tell.
/// Throws InputError as Store::open().
std::optional<StoredPlan> stored_plan(const std::string& file);

}  // namespace attnbench
