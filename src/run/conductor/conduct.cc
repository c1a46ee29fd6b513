#include "run/conductor/conduct.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>

#include "attnbench/error.h"
#include "core/json.h"
#include "plan/budget.h"
#include "plan/study_json.h"
#include "run/conductor/measure_phase.h"
#include "run/conductor/resume.h"
#include "run/conductor/verify_phase.h"
#include "run/conductor/width.h"
#include "run/noise/thresholds.h"

namespace attnbench {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

/// Processes a cell may use up, rejected ones included, as a multiple of those planned.
constexpr int kMostTries = 2;

/// For estimates only; measured on the two-core machines this was written on.
constexpr Overheads kOverheads{.process_start_seconds = 0.3,
                               .sentinel_seconds = 1e-3,
                               .eviction_seconds = 0.02,
                               .verification_calls = 20};

struct Probe {
  RunRecord run;
  std::string device;
  std::map<int, std::vector<int>> cpus;  ///< by the plan's thread count
  std::map<int, Ceilings> ceilings;
};

/// Asks the machine that will measure who it is, once for each thread count of the plan.
Probe probe_machine(const RunOptions& options) {
  Probe probe;
  auto ceilings = json::object();
  for (const auto& cell : options.study.cells) {
    if (probe.cpus.contains(cell.threads)) continue;
    auto launch = options.launch;
    launch.threads = cell.threads;
    WorkerProcess worker(launch, options.seed);
    const auto hello = worker.hello(true);
    probe.device = read_field<std::string>(hello, "device");
    probe.cpus[cell.threads] = read_field<std::vector<int>>(hello, "cpus");
    ceilings[std::to_string(probe.cpus[cell.threads].size())] = read_field<json>(hello, "ceilings");
    probe.ceilings[cell.threads] = ceilings_from_json(read_field<json>(hello, "ceilings"));
    probe.run.environment = read_field<json>(hello, "environment");
    probe.run.build_id = read_field<std::string>(hello, "build_id");
    probe.run.machine_key = read_field<std::string>(hello, "machine_key");
  }
  probe.run.environment["ceilings"] = ceilings;
  probe.run.environment["noise_thresholds"] = thresholds::to_json();
  probe.run.environment["noise_guard"] = options.accept_noise ? "off" : "on";
  probe.run.study = options.study.name;
  probe.run.profile = options.profile.name;
  probe.run.seed = options.seed;
  probe.run.plan_hash = plan_hash(options.study, options.profile, options.seed);
  probe.run.plan = {{"study", to_json(options.study)}, {"profile", to_json(options.profile)}};
  return probe;
}

void describe(CellState& state, const Probe& probe) {
  const auto& cell = state.cell;
  state.record.cell_id = cell.id();
  state.record.device = probe.device;
  state.record.cpus = probe.cpus.at(cell.threads);
  state.record.threads = static_cast<int>(state.record.cpus.size());
  state.record.condition = name(cell.condition);
  state.record.phase = name(cell.phase);
  state.record.scope = name(cell.scope);
  state.record.shape = cell.shape;
}

/// One pass over a run: all that its steps share.
class Conductor {
 public:
  Conductor(const RunOptions& options, Store& store, Progress& progress)
      : options_(options), store_(store), progress_(progress) {}

  RunOutcome run() {
    progress_.update("probing the machine and measuring its ceilings");
    const auto probe = probe_machine(options_);
    outcome_.run_id = find_or_add_run(store_, probe.run);
    cells_ = restore_cells(store_, outcome_.run_id, options_.study);
    try {
      verify(probe);
      fit_to_budget();
      measure(probe);
    } catch (const Interrupted&) {
      outcome_.interrupted = true;
    }
    outcome_.kernel_failed |= !store_.failures(outcome_.run_id).empty();
    outcome_.cell_without_result = any_cell_without_result();
    return outcome_;
  }

 private:
  RunOptions for_cell(const CellState& state) const {
    auto options = options_;
    options.launch.threads = state.cell.threads;
    return options;
  }

  void verify(const Probe& probe) {
    std::size_t done = 0;
    for (auto& state : cells_) {
      ++done;
      if (!state.record.cell_id.empty()) continue;
      progress_.update(fmt::format("verifying {}/{} {}", done, cells_.size(), state.cell.id()));
      describe(state, probe);
      outcome_.kernel_failed |= verify_cell_in_worker(for_cell(state), store_, outcome_.run_id, state,
                                                      probe.ceilings.at(state.cell.threads), progress_);
    }
    progress_.milestone(fmt::format("verified {} cells", cells_.size()));
  }

  CellCost cost_of(const CellState& state) const {
    CellCost cost{state.record.cell_id, state.cell.baseline, state.cell.condition, {}, 0};
    for (const auto& choice : state.entrants(options_.kernel_limit_seconds)) {
      cost.kernels.push_back({choice.id(), state.call_seconds.at(choice.id()), 0});
    }
    return cost;
  }

  /// Seconds of one process of the cell, by its last one or by its kernels' call times.
  double expected_process_seconds(const CellState& state) const {
    if (state.process_seconds > 0) return state.process_seconds;
    return process_seconds(cost_of(state), options_.profile, kOverheads);
  }

  void fit_to_budget() {
    target_ = options_.profile.max_processes();
    if (!options_.budget_seconds) return;
    std::vector<CellCost> costs;
    for (const auto& state : cells_) costs.push_back(cost_of(state));
    const auto plan = fit_budget(*options_.budget_seconds, costs, options_.profile, kOverheads);
    target_ = plan.profile.max_processes();
    for (const auto& left_out : plan.too_slow) {
      for (auto& state : cells_) {
        if (state.record.cell_id != left_out.cell_id) continue;
        state.find(left_out.kernel_id)->support_reason =
            fmt::format("> {:.3g} s a call: too slow for the budget", left_out.limit_seconds);
        store_.put_cell(outcome_.run_id, state.record);
      }
    }
    progress_.milestone(fmt::format("budget of {}: {} processes a cell, about {}",
                                    duration_in_words(*options_.budget_seconds), target_,
                                    duration_in_words(plan.seconds)));
  }

  bool done(const CellState& state) const {
    if (state.baseline() == nullptr) return true;
    if (state.tried_processes >= kMostTries * target_ || state.valid_processes >= target_) return true;
    if (!options_.profile.stops_on_width) return false;
    const auto& looks = options_.profile.processes;
    const bool is_look = std::find(looks.begin(), looks.end(), state.valid_processes) != looks.end();
    return is_look &&
           narrow_enough(store_.processes(outcome_.run_id, state.record.cell_id), state.baseline()->id());
  }

  double seconds_left() const {
    double left = 0;
    for (const auto& state : cells_) {
      if (!done(state))
        left += expected_process_seconds(state) * std::max(1, target_ - state.valid_processes);
    }
    return left;
  }

  void measure(const Probe& probe) {
    while (true) {
      bool any = false;
      for (std::size_t c = 0; c < cells_.size(); ++c) {
        auto& state = cells_[c];
        if (done(state)) continue;
        any = true;
        const auto width = live_half_width(store_, state);
        const auto left = duration_in_words(seconds_left());
        const auto start = Clock::now();
        const auto show = [&](int block) {
          progress_.update(fmt::format("cell {}/{} {} | process {}/{} | block {}/{} | {} left{}", c + 1,
                                       cells_.size(), state.record.cell_id, state.valid_processes + 1,
                                       target_, block, options_.profile.blocks, left, width));
        };
        show(0);
        outcome_.kernel_failed |= measure_process(for_cell(state), store_, outcome_.run_id, state,
                                                  probe.ceilings.at(state.cell.threads), progress_, show);
        state.process_seconds = std::chrono::duration<double>(Clock::now() - start).count();
      }
      if (!any) return;
    }
  }

  std::string live_half_width(const Store& store, const CellState& state) const {
    if (state.valid_processes < 2) return {};
    const auto width =
        alias_half_width(store.processes(outcome_.run_id, state.record.cell_id), state.baseline()->id());
    return width ? fmt::format(" | A/A +-{:.1f} %", 100 * *width) : "";
  }

  bool any_cell_without_result() const {
    return std::any_of(cells_.begin(), cells_.end(), [](const CellState& state) {
      return state.baseline() != nullptr && state.valid_processes == 0;
    });
  }

  const RunOptions& options_;
  Store& store_;
  Progress& progress_;
  RunOutcome outcome_;
  std::vector<CellState> cells_;
  int target_ = 0;
};

}  // namespace

RunOutcome conduct(const RunOptions& options) {
  catch_interrupts();
  auto store = Store::open(options.out, Store::Mode::write);
  Progress progress(options.quiet);
  return Conductor(options, store, progress).run();
}

}  // namespace attnbench
