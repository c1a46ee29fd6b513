#include "run/conductor/conduct.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <map>
#include <nlohmann/json.hpp>
#include <numeric>
#include <optional>
#include <string_view>

#include "attnbench/error.h"
#include "plan/budget.h"
#include "run/conductor/keep_awake.h"
#include "run/conductor/measure_phase.h"
#include "run/conductor/neighbours.h"
#include "run/conductor/probe.h"
#include "run/conductor/resume.h"
#include "run/conductor/verify_phase.h"
#include "run/conductor/width.h"
#include "run/noise/noise.h"

namespace attnbench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::string_view kTooSlowForBudget = ": too slow for the budget";

/// One build's run: its options, its rows in the store, its cells.
struct BuildRun {
  RunOptions options;
  Probe probe;
  std::int64_t run = 0;
  std::vector<CellState> cells;

  RunOptions for_cell(std::size_t c) const {
    auto of_cell = options;
    of_cell.launch.threads = cells[c].cell.threads;
    of_cell.launch.expected = probe.worker(cells[c].cell);
    return of_cell;
  }
  const Ceilings& ceilings(std::size_t c) const { return probe.ceilings_of(cells[c].cell); }
};

/// Tells two builds measured together from runs of their own.
void mark_pair(std::vector<BuildRun>& builds) {
  auto& now = builds[0].probe.run;
  auto& before = builds[1].probe.run;
  for (auto* run : {&now, &before}) {
    (*run->plan)["pair"] = {{"role", run == &now ? kNewBuild : kOldBuild},
                            {kNewBuild, now.build_id},
                            {kOldBuild, before.build_id}};
  }
  before.plan_hash += "-old";  // the same build against itself is two runs too
}

/// Two builds may differ in their programs and plugins alone.
void require_same_machine(const RunOptions& options, const Probe& now, const Probe& before) {
  auto expected = now.workers.begin()->second;
  const auto& found = before.workers.begin()->second;
  expected.build_id = found.build_id;
  expected.libraries = found.libraries;
  expected.plugins = found.plugins;
  if (const auto other = difference(expected, found)) {
    throw InputError("against", options.against,
                     fmt::format("has workers elsewhere: the {} of this build's is {}, of its own {}",
                                 other->what, other->expected, other->found));
  }
}

/// One pass over the runs of a store: all that its steps share.
class Conductor {
 public:
  Conductor(const RunOptions& options, Store& store, Progress& progress)
      : options_(options), store_(store), progress_(progress), neighbours_(options, progress) {
    builds_.push_back({options, {}, 0, {}});
    if (options.against.empty()) return;
    builds_.push_back({options, {}, 0, {}});
    builds_[1].options.launch.program = options.against;
  }

  RunOutcome run() {
    require_plugins_named(store_, options_.launch.plugins);
    progress_.update("probing the machine and measuring its ceilings");
    try {
      for (auto& build : builds_) build.probe = probe_machine(build.options);
    } catch (const Interrupted&) {
      outcome_.interrupted = true;
      return outcome_;  // no run is in the store yet
    }
    if (builds_.size() > 1) {
      require_same_machine(options_, builds_[0].probe, builds_[1].probe);
      mark_pair(builds_);
    }
    for (const auto& build : builds_) offers_ = united(std::move(offers_), build.probe.kernels);
    std::vector<RunRecord> wanted;
    for (const auto& build : builds_) wanted.push_back(build.probe.run);
    const auto ids = find_or_add_runs(store_, wanted);
    for (std::size_t b = 0; b < builds_.size(); ++b) {
      builds_[b].run = ids[b];
      builds_[b].cells = restore_cells(store_, ids[b], options_.study);
      for (const auto& state : builds_[b].cells) {
        require_same_cpus(store_, state, builds_[b].probe.worker(state.cell).cpus);
        require_offered(state, builds_[b].probe.kernels);
      }
    }
    try {
      for (auto& build : builds_) verify(build);
      count_tries_anew();
      fit_to_budget();
      measure();
      tell_incomplete_cells();
    } catch (const Interrupted&) {
      outcome_.interrupted = true;
    }
    for (const auto& build : builds_) outcome_.kernel_failed |= !store_.failures(build.run).empty();
    outcome_.cell_without_result = any_cell_without_result();
    return outcome_;
  }

 private:
  std::size_t cell_count() const { return builds_[0].cells.size(); }
  const CellState& cell(std::size_t c) const { return builds_[0].cells[c]; }

  void verify(BuildRun& build) {
    for (std::size_t c = 0; c < build.cells.size(); ++c) {
      auto& state = build.cells[c];
      if (!state.record.cell_id.empty()) continue;
      progress_.update(fmt::format("verifying {}/{} {}", c + 1, build.cells.size(), state.cell.id()));
      describe(state, build.probe);
      outcome_.kernel_failed |= verify_cell_in_worker(build.for_cell(c), offers_, store_, build.run, state,
                                                      build.ceilings(c), progress_);
    }
    progress_.milestone(fmt::format("verified {} cells{}", build.cells.size(),
                                    &build == &builds_[0] ? "" : " of the other build"));
  }

  CellCost cost_of(const CellState& state) const {
    const auto* baseline = state.baseline();
    CellCost cost{state.record.cell_id,
                  baseline == nullptr ? state.cell.baseline : baseline->id(),
                  state.cell.condition,
                  {}};
    cost.processes = state.cell.processes;
    cost.blocks = state.cell.blocks;
    for (const auto& choice : state.entrants(options_.kernel_limit_seconds)) {
      cost.kernels.push_back({choice.id(), state.call_seconds.at(choice.id()), 0});
    }
    return cost;
  }

  /// Seconds of one process of the cell (of each build), by the last ones or by its kernels' call times.
  double expected_process_seconds(const CellState& state) const {
    if (state.process_seconds > 0) return state.process_seconds;
    return static_cast<double>(builds_.size()) *
           process_seconds(cost_of(state), options_.profile, kOverheads);
  }

  bool spends_budget() const { return options_.profile.budget_seconds > 0; }
  double budget() const { return options_.budget_seconds.value_or(options_.profile.budget_seconds); }
  /// Of the budget, apart from the time that was waited for a quiet machine.
  double budget_left() const {
    return budget() + waited_seconds_ - std::chrono::duration<double>(Clock::now() - begin_).count();
  }

  CellCost cost_now(std::size_t c) const {
    auto cost = cost_of(cell(c));
    cost.done_processes = valid_processes(c);
    cost.verified = spends_budget() || cell(c).verified_before;
    return cost;
  }

  void fit_to_budget() {
    lift_earlier_budget();
    if (spends_budget()) return leave_out_of_first_step();
    if (!options_.budget_seconds) return;
    std::vector<CellCost> costs;
    for (std::size_t c = 0; c < cell_count(); ++c) costs.push_back(cost_now(c));
    const auto each = *options_.budget_seconds / static_cast<double>(builds_.size());
    const auto plan = fit_budget(each, costs, options_.profile, kOverheads);
    most_processes_ = plan.processes;
    for (const auto& left_out : plan.too_slow) {
      for (auto& build : builds_) leave_out(build, left_out);
    }
    progress_.milestone(fmt::format("budget of {}: {} processes a cell, about {}",
                                    duration_in_words(*options_.budget_seconds), plan.processes,
                                    duration_in_words(plan.seconds * static_cast<double>(builds_.size()))));
  }

  /// The first cells get to their first look: kernels with which they would not are left out, unless none
  /// would be left beside the baselines.
  void leave_out_of_first_step() {
    const auto first = steps_of(options_.profile, options_.study.cells).front();
    std::vector<CellCost> costs;
    for (const auto c : first.cells) costs.push_back(cost_now(c));
    const auto each = budget_left() / static_cast<double>(builds_.size());
    const auto too_slow = leave_out_too_slow(each, costs, options_.profile, kOverheads, first.processes);
    if (too_slow.empty() || too_slow.front().limit_seconds <= 0) return;
    for (const auto& left_out : too_slow) {
      for (auto& build : builds_) leave_out(build, left_out);
    }
  }

  /// What another budget left out of a cell comes back as long as the cell has no process.
  void lift_earlier_budget() {
    for (std::size_t c = 0; c < cell_count(); ++c) {
      if (valid_processes(c) > 0) continue;
      for (auto& build : builds_) {
        auto& record = build.cells[c].record;
        bool lifted = false;
        for (auto& kernel : record.kernels) {
          if (!kernel.support_reason.ends_with(kTooSlowForBudget)) continue;
          kernel.support_reason.clear();
          lifted = true;
        }
        if (lifted) store_.put_cell(build.run, record);
      }
    }
  }

  void leave_out(BuildRun& build, const TooSlow& too_slow) {
    for (auto& state : build.cells) {
      auto* kernel = state.record.cell_id == too_slow.cell_id ? state.find(too_slow.kernel_id) : nullptr;
      if (kernel == nullptr) continue;
      kernel->support_reason = fmt::format("> {:.3g} s a call{}", too_slow.limit_seconds, kTooSlowForBudget);
      store_.put_cell(build.run, state.record);
    }
  }

  /// Processes of the cell that are valid, of a pair those valid in both builds.
  int valid_processes(std::size_t c) const {
    if (builds_.size() == 1) return cell(c).valid_processes;
    std::map<int, std::size_t> valid;
    for (const auto& build : builds_) {
      for (const auto& process : store_.processes(build.run, cell(c).record.cell_id))
        valid[process.process] += process.valid;
    }
    return static_cast<int>(
        std::count_if(valid.begin(), valid.end(), [&](const auto& v) { return v.second == builds_.size(); }));
  }

  /// What an earlier invocation rejected is no try of this one: the same command goes on.
  void count_tries_anew() {
    for (std::size_t c = 0; c < cell_count(); ++c) {
      const int valid = valid_processes(c);
      for (auto& build : builds_) build.cells[c].tried_processes = valid;
    }
  }

  /// Processes that the cell is to have, in this step.
  int target(std::size_t c) const {
    const int planned = for_cell(options_.profile, cell(c).cell).max_processes();
    return most_processes_ ? std::min(planned, *most_processes_) : planned;
  }

  bool done(std::size_t c) const {
    int tried = 0;
    for (const auto& build : builds_) tried = std::max(tried, build.cells[c].tried_processes);
    return complete(c) || tried >= options_.profile.most_tries(target(c));
  }

  bool complete(std::size_t c) const {
    for (const auto& build : builds_) {
      if (build.cells[c].baseline() == nullptr) return true;
    }
    const int valid = valid_processes(c);
    if (valid >= target(c)) return true;
    if (!options_.profile.stops_on_width) return false;
    const auto& looks = options_.profile.processes;
    const bool is_look = std::find(looks.begin(), looks.end(), valid) != looks.end();
    return is_look && narrow_enough(store_.processes(builds_[0].run, cell(c).record.cell_id),
                                    cell(c).baseline()->id(), options_.profile);
  }

  double seconds_left() const {
    double left = 0;
    for (std::size_t c = 0; c < cell_count(); ++c) {
      if (!done(c)) left += expected_process_seconds(cell(c)) * std::max(1, target(c) - valid_processes(c));
    }
    return left;
  }

  /// One replicate of the cell.
  void measure_cell(std::size_t c) {
    const auto width = live_half_width(c);
    const auto left = duration_in_words(spends_budget() ? std::max(0.0, budget_left()) : seconds_left());
    const int valid = valid_processes(c);
    const auto show = [&](int block) {
      progress_.update(fmt::format("cell {}/{} {} | process {}/{} | block {}/{} | {} left{}", c + 1,
                                   cell_count(), cell(c).record.cell_id, valid + 1, target(c), block,
                                   for_cell(options_.profile, cell(c).cell).blocks, left, width));
    };
    std::vector<RunOptions> options;
    for (const auto& build : builds_) options.push_back(build.for_cell(c));
    std::vector<CellRun> runs;
    for (std::size_t b = 0; b < builds_.size(); ++b)
      runs.push_back({options[b], builds_[b].run, builds_[b].cells[c], builds_[b].ceilings(c)});
    const auto start = Clock::now();
    show(0);
    outcome_.kernel_failed |= measure_together(runs, store_, progress_, show);
    builds_[0].cells[c].process_seconds = std::chrono::duration<double>(Clock::now() - start).count();
    waiting([&] { look_at_neighbours(c); });
  }

  /// Its time is none of the budget's.
  template <typename Wait>
  void waiting(Wait wait) {
    const auto start = Clock::now();
    wait();
    waited_seconds_ += std::chrono::duration<double>(Clock::now() - start).count();
  }

  /// By the last process of the cell.
  void look_at_neighbours(std::size_t c) {
    bool accepted = true;
    for (const auto& build : builds_) {
      const auto last = store_.processes(build.run, cell(c).record.cell_id).back();
      accepted &= last.valid;
      if (!last.valid && reject_reason(*last.noise)) return neighbours_.rejected(*last.noise);
    }
    if (accepted) neighbours_.accepted();
  }

  /// Rounds of one process each, until every cell is done. False where the run ends here.
  bool measure_in_turns(const std::vector<std::size_t>& cells) {
    bool any = true;
    while (any) {
      any = false;
      for (const auto c : cells) {
        if (done(c)) continue;
        if (spends_budget() && expected_process_seconds(cell(c)) > budget_left()) {
          outcome_.budget_spent = true;
          return false;
        }
        if (!started_) waiting([&] { neighbours_.wait_for_quiet(); });
        started_ = any = true;
        measure_cell(c);
        outcome_.too_noisy = neighbours_.hopeless();
        if (outcome_.too_noisy) return false;
      }
    }
    return true;
  }

  void measure() {
    if (!spends_budget()) {
      std::vector<std::size_t> all(cell_count());
      std::iota(all.begin(), all.end(), std::size_t{0});
      measure_in_turns(all);
      return;
    }
    for (const auto& step : steps_of(options_.profile, options_.study.cells)) {
      most_processes_ = step.processes;
      if (!measure_in_turns(step.cells)) break;
    }
    most_processes_.reset();
  }

  void tell_incomplete_cells() {
    if (outcome_.budget_spent) return tell_spent_budget();
    for (std::size_t c = 0; c < cell_count(); ++c) {
      if (complete(c)) continue;
      outcome_.cell_incomplete = true;
      if (outcome_.too_noisy) continue;  // said for all cells at once
      progress_.warning(fmt::format("{}: {} of {} processes; the other tries were rejected",
                                    cell(c).record.cell_id, valid_processes(c), target(c)));
    }
  }

  void tell_spent_budget() {
    const auto& looks = options_.profile.processes;
    int complete_cells = 0, short_cells = 0;
    for (std::size_t c = 0; c < cell_count(); ++c) {
      complete_cells += complete(c);
      short_cells += !complete(c) && valid_processes(c) < looks.front();
    }
    progress_.milestone(
        fmt::format("budget of {} spent: {} of {} cells done; {} have fewer than {} processes, "
                    "too few for verdicts",
                    duration_in_words(budget()), complete_cells, cell_count(), short_cells, looks.front()));
  }

  std::string live_half_width(std::size_t c) const {
    if (cell(c).valid_processes < 2) return {};
    const auto width =
        alias_half_width(store_.processes(builds_[0].run, cell(c).record.cell_id), cell(c).baseline()->id());
    return width ? fmt::format(" | A/A +-{:.1f} %", 100 * *width) : "";
  }

  bool any_cell_without_result() const {
    for (std::size_t c = 0; c < cell_count(); ++c) {
      if (cell(c).baseline() != nullptr && valid_processes(c) == 0) return true;
    }
    return false;
  }

  const RunOptions& options_;
  Store& store_;
  Progress& progress_;
  Neighbours neighbours_;
  RunOutcome outcome_;
  std::vector<BuildRun> builds_;
  std::vector<KernelOffer> offers_;    ///< of all builds: one that lacks a kernel says so
  std::optional<int> most_processes_;  ///< a cell, by the budget or in this step
  Clock::time_point begin_ = Clock::now();
  double waited_seconds_ = 0;  ///< for quiet
  bool started_ = false;       ///< measuring
};

}  // namespace

RunOutcome conduct(const RunOptions& options) {
  catch_interrupts();
  keep_awake();
  Progress progress(options.quiet);
  auto store = Store::open(options.out, Store::Mode::write);
  store.wait_while_locked([&] {
    progress.warning(fmt::format("{} is locked by another program; waiting for it to let go", options.out));
  });
  return Conductor(options, store, progress).run();
}

}  // namespace attnbench
