#include "run/conductor/probe.h"

#include "core/json.h"
#include "plan/study_json.h"
#include "run/conductor/worker_process.h"
#include "run/noise/thresholds.h"

namespace attnbench {

using nlohmann::json;

Probe probe_machine(const RunOptions& options) {
  Probe probe;
  auto ceilings = json::object();
  auto earlier_utc = json::object();
  for (const auto& cell : options.study.cells) {
    if (probe.workers.contains(cell.threads)) continue;
    auto launch = options.launch;
    launch.threads = cell.threads;
    if (!probe.workers.empty()) {
      launch.expected = probe.workers.begin()->second;
      launch.expected->cpus.clear();
    }
    WorkerProcess worker(launch, options.seed);
    const auto& earlier = options.ceilings;
    auto hello = worker.hello(earlier ? Ask::environment : Ask::environment_and_ceilings);
    const auto identity = worker_identity_from_json(hello);
    if (earlier) require_same_machine(*earlier, identity.machine_key, identity.allowed_cpus);
    const auto threads = std::to_string(identity.cpus.size());
    const bool measured_before = earlier && std::to_string(earlier->ceilings.threads) == threads;
    if (measured_before) {
      earlier_utc[threads] = earlier->measured_utc;
    } else if (earlier) {
      hello = worker.hello(Ask::environment_and_ceilings);
    }
    probe.device = read_field<std::string>(hello, "device");
    probe.workers[cell.threads] = identity;
    ceilings[threads] = measured_before ? to_json(earlier->ceilings) : read_field<json>(hello, "ceilings");
    probe.ceilings[cell.threads] = ceilings_from_json(ceilings[threads]);
    probe.run.environment = read_field<json>(hello, "environment");
    probe.run.build_id = identity.build_id;
    probe.run.machine_key = identity.machine_key;
    probe.run.environment["workers"] = {{"allowed_cpus", identity.allowed_cpus},
                                        {"plugins", to_json(identity.plugins)}};
  }
  probe.run.environment["ceilings"] = ceilings;
  if (!earlier_utc.empty()) probe.run.environment["ceilings_measured_before"] = earlier_utc;
  probe.run.environment["noise_thresholds"] = thresholds::to_json();
  probe.run.environment["noise_guard"] = options.accept_noise ? "off" : "on";
  probe.run.study = options.study.name;
  probe.run.profile = options.profile.name;
  probe.run.seed = options.seed;
  probe.run.plan_hash = plan_hash(options.study, options.profile, options.seed);
  probe.run.plan = {{"study", to_json(options.study)}, {"profile", to_json(options.profile)}};
  if (!options.command.empty()) probe.run.plan["command"] = options.command;
  return probe;
}

void describe(CellState& state, const Probe& probe) {
  const auto& cell = state.cell;
  state.record.cell_id = cell.id();
  state.record.device = probe.device;
  state.record.cpus = probe.workers.at(cell.threads).cpus;
  state.record.threads = static_cast<int>(state.record.cpus.size());
  state.record.condition = name(cell.condition);
  state.record.phase = name(cell.phase);
  state.record.scope = name(cell.scope);
  state.record.shape = cell.shape;
}

}  // namespace attnbench
