#include "run/conductor/resume.h"

#include <fmt/format.h>

#include <algorithm>

#include "attnbench/error.h"

namespace attnbench {
namespace {

std::string role_of(const RunRecord& run) {
  const nlohmann::json::json_pointer role("/pair/role");
  return run.plan.contains(role) ? run.plan.at(role).get<std::string>() : "";
}

void require_same(const Store& store, std::string_view what, const std::string& stored,
                  const std::string& now) {
  if (stored == now) return;
  throw InputError(fmt::format("{}: the {} differs: stored {}, now {}; give another --out", store.file(),
                               what, stored, now));
}

void require_same(const Store& store, const RunRecord& run, const RunRecord& wanted) {
  require_same(store, "study", run.study, wanted.study);
  require_same(store, "profile", run.profile, wanted.profile);
  require_same(store, "seed", std::to_string(run.seed), std::to_string(wanted.seed));
  require_same(store, "plan", run.plan_hash, wanted.plan_hash);
  require_same(store, "machine", run.machine_key, wanted.machine_key);
  require_same(store, role_of(run) == kOldBuild ? "old build" : "build", run.build_id, wanted.build_id);
  require_same(store, "library versions", run.environment.value("libraries", nlohmann::json()).dump(),
               wanted.environment.value("libraries", nlohmann::json()).dump());
  require_same(store, "noise guard", run.environment.value("noise_guard", ""),
               wanted.environment.value("noise_guard", ""));
}

/// A cell's answers are stored together, after the last of them: without one it was cut short.
bool was_verified(const CellRecord& record) {
  return std::all_of(record.kernels.begin(), record.kernels.end(), [](const KernelRecord& kernel) {
    return kernel.batch_calls || !kernel.support_reason.empty() || !kernel.quarantine_reason.empty();
  });
}

}  // namespace

std::vector<std::int64_t> find_or_add_runs(Store& store, std::span<const RunRecord> wanted) {
  auto runs = store.runs();
  if (runs.size() > 2 || (runs.size() == 2 && role_of(runs[0].run).empty())) {
    throw InputError("out", store.file(),
                     fmt::format("holds {} imported runs; measure into a store of its own", runs.size()));
  }
  if (!runs.empty() && role_of(runs[0].run) != role_of(wanted[0])) {
    throw InputError("out", store.file(),
                     role_of(wanted[0]).empty()
                         ? "holds two builds measured together; name the other one with --against"
                         : "holds a run of one build; with --against give another --out");
  }
  std::vector<std::int64_t> ids;
  for (std::size_t i = 0; i < wanted.size(); ++i) {
    if (i < runs.size()) require_same(store, runs[i].run, wanted[i]);
    ids.push_back(i < runs.size() ? runs[i].id : store.add_run(wanted[i]));
  }
  return ids;
}

std::vector<CellState> restore_cells(const Store& store, std::int64_t run, const Study& study) {
  std::vector<CellState> states;
  const auto records = store.cells(run);
  const auto verifications = store.verifications(run);
  for (const auto& cell : study.cells) {
    CellState state;
    state.cell = cell;
    const auto record = std::find_if(records.begin(), records.end(),
                                     [&](const auto& candidate) { return candidate.cell_id == cell.id(); });
    state.verified_before = record != records.end() && was_verified(*record);
    if (state.verified_before) state.record = *record;
    for (const auto& verification : verifications) {
      if (verification.cell_id == cell.id() && verification.passed) {
        state.call_seconds[verification.kernel_id] = verification.median_call_seconds;
      }
    }
    if (record == records.end()) {
      states.push_back(std::move(state));
      continue;
    }
    for (const auto& process : store.processes(run, cell.id())) {
      state.next_process = std::max(state.next_process, process.process + 1);
      if (process.valid) ++state.valid_processes;
    }
    states.push_back(std::move(state));
  }
  return states;
}

}  // namespace attnbench
