#include "run/conductor/probe.h"

#include <nlohmann/json.hpp>
#include <set>

#include "attnbench/error.h"
#include "io/json.h"
#include "plan/study_json.h"
#include "run/conductor/worker_process.h"
#include "run/noise/thresholds.h"

namespace attnbench {

using nlohmann::json;

namespace {

/// Devices other than the CPU that cells with this number of threads use.
std::vector<std::string> devices_with(const Study& study, int threads) {
  std::set<std::string> devices;
  for (const auto& cell : study.cells) {
    if (cell.threads == threads && cell.device != "cpu") devices.insert(cell.device);
  }
  return {devices.begin(), devices.end()};
}

}  // namespace

Probe probe_machine(const RunOptions& options) {
  Probe probe;
  auto ceilings = json::object();
  auto devices = json::object();
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
    const auto names = devices_with(options.study, cell.threads);
    const auto& earlier = options.ceilings;
    auto hello = worker.hello(earlier ? Ask::environment : Ask::environment_and_ceilings, names);
    const auto identity = hello.identity;
    if (earlier) require_same_machine(*earlier, identity.machine_key, identity.allowed_cpus);
    const auto threads = std::to_string(identity.cpus.size());
    const bool measured_before = earlier && std::to_string(earlier->ceilings.threads) == threads;
    if (measured_before) {
      hello.ceilings = earlier->ceilings;
      earlier_utc[threads] = earlier->measured_utc;
    } else if (earlier) {
      hello = worker.hello(Ask::environment_and_ceilings, names);
    }
    if (!hello.ceilings) throw InputError("ceilings", "nothing", "is what the worker measured");
    probe.workers[cell.threads] = identity;
    ceilings[threads] = to_json(*hello.ceilings);
    probe.ceilings[{cell.threads, "cpu"}] = *hello.ceilings;
    for (const auto& [device, facts] : hello.devices) {
      devices[device] = {{"identity", facts.identity}, {"ceilings", to_json(facts.ceilings)}};
      probe.ceilings[{cell.threads, device}] = facts.ceilings;
    }
    probe.kernels = hello.kernels;
    probe.run.environment = hello.environment;
    probe.run.build_id = identity.build_id;
    probe.run.machine_key = identity.machine_key;
    (*probe.run.environment)["workers"] = {{"allowed_cpus", identity.allowed_cpus},
                                           {"plugins", to_json(identity.plugins)}};
  }
  (*probe.run.environment)["ceilings"] = ceilings;
  if (!earlier_utc.empty()) (*probe.run.environment)["ceilings_measured_before"] = earlier_utc;
  if (!devices.empty()) (*probe.run.environment)["devices"] = devices;
  (*probe.run.environment)["noise_thresholds"] = thresholds::to_json();
  auto& absent = (*probe.run.environment)["missing_engines"];
  for (const auto& engine : options.missing_engines)
    absent.push_back({{"engine", engine.name}, {"reason", engine.reason}});
  (*probe.run.environment)["noise_guard"] = options.accept_noise ? "off" : "on";
  probe.run.study = options.study.name;
  probe.run.profile = options.profile.name;
  probe.run.seed = options.seed;
  probe.run.plan_hash = plan_hash(options.study, options.profile, options.seed);
  *probe.run.plan = {{"study", to_json(options.study)}, {"profile", to_json(options.profile)}};
  if (!options.command.empty()) (*probe.run.plan)["command"] = options.command;
  return probe;
}

void describe(CellState& state, const Probe& probe) {
  const auto& cell = state.cell;
  state.record.cell_id = cell.id();
  state.record.device = cell.device;
  state.record.cpus = probe.worker(cell).cpus;
  state.record.threads = static_cast<int>(state.record.cpus.size());
  state.record.condition = name(cell.condition);
  state.record.phase = name(cell.phase);
  state.record.scope = name(cell.scope);
  state.record.shape = cell.shape;
}

}  // namespace attnbench
