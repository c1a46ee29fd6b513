#include "run/conductor/resume.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "attnbench/error.h"
#include "core/cpu_list.h"
#include "io/json.h"
#include "plan/study_json.h"
#include "run/protocol/worker_identity.h"

namespace attnbench {
namespace {

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
  if (run.plan_hash != wanted.plan_hash) {
    const auto asked_by = [](const RunRecord& record) { return record.plan->value("command", ""); };
    const bool tell = !asked_by(run).empty() && asked_by(run) != asked_by(wanted);
    require_same(store, "plan", tell ? asked_by(run) : run.plan_hash,
                 tell ? asked_by(wanted) : wanted.plan_hash);
  }
  require_same(store, "machine", run.machine_key, wanted.machine_key);
  require_same(store, role_in_pair(run) == kOldBuild ? "old build" : "build", run.build_id, wanted.build_id);
  require_same(store, "library versions", run.environment->value("libraries", nlohmann::json()).dump(),
               wanted.environment->value("libraries", nlohmann::json()).dump());
  require_same(store, "noise guard", run.environment->value("noise_guard", ""),
               wanted.environment->value("noise_guard", ""));
  const auto devices = wanted.environment->value("devices", nlohmann::json::object());
  for (const auto& [device, facts] : devices.items()) {
    const nlohmann::json::json_pointer identity("/devices/" + device + "/identity");
    require_same(store, "device " + device, run.environment->value(identity, nlohmann::json()).dump(),
                 facts.at("identity").dump());
  }
  if (!run.environment->contains("workers")) return;
  const auto stored = read_field<nlohmann::json>(*run.environment, "workers");
  const auto now = read_field<nlohmann::json>(*wanted.environment, "workers");
  require_same(store, "CPU set", read_field<std::string>(stored, "allowed_cpus"),
               read_field<std::string>(now, "allowed_cpus"));
  const auto plugins = [](const nlohmann::json& workers) {
    return in_words(plugins_from_json(read_field<nlohmann::json>(workers, "plugins")));
  };
  require_same(store, "plugin", plugins(stored), plugins(now));
}

/// A cell's answers are stored together, after the last of them: without one it was cut short.
bool was_verified(const CellRecord& record) {
  return std::all_of(record.kernels.begin(), record.kernels.end(), [](const KernelRecord& kernel) {
    return kernel.batch_calls || !kernel.support_reason.empty() || !kernel.quarantine_reason.empty();
  });
}

bool holds_one_measurement(const std::vector<Store::StoredRun>& runs) {
  return runs.size() == 1 || (runs.size() == 2 && !role_in_pair(runs[0].run).empty());
}

}  // namespace

void require_plugins_named(const Store& store, const std::vector<std::string>& plugins) {
  for (const auto& [id, run] : store.runs()) {
    if (!run.environment->contains("workers")) continue;
    const auto workers = read_field<nlohmann::json>(*run.environment, "workers");
    for (const auto& stored : plugins_from_json(read_field<nlohmann::json>(workers, "plugins"))) {
      const auto is_it = [&](const std::string& path) {
        return std::filesystem::path(path).filename() == stored.file;
      };
      if (std::none_of(plugins.begin(), plugins.end(), is_it)) {
        throw InputError(fmt::format("{}: was measured with the plugin {}: name it with --plugin",
                                     store.file(), stored.file));
      }
    }
  }
}

std::vector<std::int64_t> find_or_add_runs(Store& store, std::span<const RunRecord> wanted) {
  auto runs = store.runs();
  if (!runs.empty() && !holds_one_measurement(runs)) {
    throw InputError("out", store.file(),
                     fmt::format("holds {} imported runs; measure into a store of its own", runs.size()));
  }
  if (!runs.empty() && role_in_pair(runs[0].run) != role_in_pair(wanted[0])) {
    throw InputError("out", store.file(),
                     role_in_pair(wanted[0]).empty()
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
        if (!verification.reason.empty()) state.unranked[verification.kernel_id] = verification.reason;
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

void require_same_cpus(const Store& store, const CellState& state, const std::vector<int>& cpus) {
  if (state.record.cell_id.empty()) return;
  require_same(store, fmt::format("CPU set of {}", state.record.cell_id), format_cpu_list(state.record.cpus),
               format_cpu_list(cpus));
}

std::optional<StoredPlan> stored_plan(const std::string& file) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(file, ignored) || std::filesystem::file_size(file, ignored) == 0)
    return std::nullopt;
  const auto runs = Store::open(file, Store::Mode::read).runs();
  if (!holds_one_measurement(runs)) return std::nullopt;
  const auto& run = runs[0].run;
  const bool tells = run.plan->is_object() && run.plan->contains("study") && run.plan->contains("profile");
  if (!tells) return std::nullopt;
  return StoredPlan{study_from_json(run.plan->at("study")), profile_from_json(run.plan->at("profile")),
                    run.seed, noise_guard_was_off(run), run.plan->value("command", "")};
}

}  // namespace attnbench
