#include "run/conductor/measure_phase.h"

#include <fmt/format.h>

#include <algorithm>
#include <deque>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <utility>
#include <vector>

#include "core/utc.h"
#include "io/json.h"
#include "plan/random.h"
#include "plan/williams.h"
#include "run/noise/noise.h"
#include "run/protocol/messages.h"
#include "stats/intervals.h"

namespace attnbench {
namespace {

using nlohmann::json;

MeasurementPlan plan_process(const RunOptions& options, const CellState& state) {
  MeasurementPlan plan;
  const auto profile = for_cell(options.profile, state.cell);
  plan.cell = state.cell;
  plan.kernels = state.entrants(options.kernel_limit_seconds);
  for (std::size_t k = 0; k < plan.kernels.size(); ++k) {
    if (plan.kernels[k].id() == state.baseline()->id()) plan.baseline = k;
  }
  const auto treatments = static_cast<int>(plan.kernels.size()) + 1;  // and the alias
  plan.orders =
      block_orders(treatments, cell_seed(options.seed, state.cell.id()), state.next_process, profile.blocks);
  plan.unbatched_calls = profile.unbatched_calls;
  plan.warmup_limit_calls = profile.warmup_limit_calls;
  plan.warmup_limit_seconds = profile.warmup_limit_seconds;
  // Other inputs than verification saw, and others in each process.
  plan.data_seed = options.seed + 1000003u * (static_cast<std::uint64_t>(state.next_process) + 1);
  return plan;
}

/// Takes a kernel out of the cell; what was measured with it stays, marked, and the cell starts over.
void quarantine(Store& store, std::int64_t run, CellState& state, const std::string& kernel_id,
                const std::string& stage, const std::string& reason, Progress& progress) {
  auto* kernel = state.find(kernel_id);
  if (kernel == nullptr || !kernel->quarantine_reason.empty()) return;
  kernel->quarantine_reason = fmt::format("{}: {}", stage, reason);
  state.choose_baseline();
  store.quarantine(run, state.record, {state.record.cell_id, kernel_id, stage, reason},
                   fmt::format("re-planned without {}, which failed ({})", kernel_id, reason));
  state.valid_processes = 0;
  state.tried_processes = 0;
  progress.warning(fmt::format("{}: {} {}; measured without it", state.record.cell_id, kernel_id, reason));
}

/// Kernels that claim to be faster than the machine, with the reason; by what the worker's own build says
/// that they execute.
std::map<std::string, std::string> find_impossible(const MeasurementPlan& plan, const Ceilings& ceilings,
                                                   const std::vector<PreparedKernel>& prepared,
                                                   const ProcessRecord& process) {
  std::map<std::string, std::string> found;
  for (const auto& kernel : prepared) {
    std::vector<double> times;
    for (const auto& sample : process.samples) {
      if (sample.role == "kernel" && sample.kernel_id == kernel.name) times.push_back(sample.time_seconds);
    }
    if (times.empty()) continue;
    const auto reason = impossible(ceilings, kernel.executed_flops, kernel.compulsory_bytes,
                                   stats::median(times), plan.cell.shape.dtype_q);
    if (reason) found[kernel.name] = *reason;
  }
  return found;
}

/// One process from its worker's start to its commit. Once the worker is lost, the remaining steps do
/// nothing.
class ProcessMeasurement {
 public:
  explicit ProcessMeasurement(const CellRun& cell)
      : cell_(cell), plan_(plan_process(cell.options, cell.state)) {
    auto& state = cell_.state;
    process_.cell_id = state.record.cell_id;
    process_.process = state.next_process++;
    process_.started_utc = now_utc();
    process_.orders = plan_.orders;
    for (const auto& choice : plan_.kernels) process_.order_kernels.push_back(choice.id());
    process_.order_kernels.emplace_back(kAlias);
    ++state.tried_processes;
    double longest_slot = 0;
    for (const auto& choice : plan_.kernels) longest_slot = std::max(longest_slot, choice.limit_seconds);
    patience_ = longest_slot + 60;  // the worker itself ends a slot at its limit
  }

  void start() {
    step([&] {
      const auto& options = cell_.options;
      worker_.emplace(options.launch, options.seed + static_cast<std::uint64_t>(process_.process));
      process_.boot_id = worker_->hello(Ask::nothing_more).identity.boot_id;
      worker_->send(to_json(messages::Prepare{plan_}));
      prepared_ = messages::read<messages::Prepared>(worker_->receive(patience_)).kernels;
      *process_.kernels = json::object();
      for (const auto& kernel : prepared_) (*process_.kernels)[kernel.name] = to_json(kernel);
    });
  }

  /// -1: the unbatched calls.
  void run_block(int block) {
    step([&] {
      worker_->send(to_json(messages::Slot{block}));
      for (auto& sample : messages::read<messages::Samples>(worker_->receive(patience_)).samples)
        process_.samples.push_back(std::move(sample));
    });
  }

  void stop() {
    step([&] {
      worker_->send(to_json(messages::Stop{}));
      const auto last = messages::read<messages::Stopped>(worker_->receive(patience_));
      process_.noise = last.noise;
      for (const auto& kernel : last.kernels) {
        (*process_.kernels)[kernel.name]["recheck"] = to_json(kernel);
        if (kernel.name != kAlias && !kernel.passed) wrong_[kernel.name] = kernel.reason;
      }
      cell_.state.startup_failures = 0;
    });
    worker_.reset();
  }

  /// Null where the worker was lost before it told.
  json* noise() { return process_.noise->is_null() ? nullptr : &*process_.noise; }

  void judge_noise() {
    if (lost_ || cell_.options.accept_noise) return;
    if (const auto reason = reject_reason(*process_.noise)) reject(*reason);
  }

  void interrupt() {
    reject("interrupted");
    worker_.reset();
  }

  void commit(Store& store) {
    too_fast_ = find_impossible(plan_, cell_.ceilings, prepared_, process_);
    for (auto& sample : process_.samples) {
      const auto found = too_fast_.find(sample.kernel_id);
      if (found == too_fast_.end()) continue;
      sample.valid = false;
      sample.reason = "IMPOSSIBLE: " + found->second;
    }
    store.add_process(cell_.run, process_);
    if (process_.valid) ++cell_.state.valid_processes;
  }

  /// After commit(): quarantines what broke and says what happened. Returns true if a kernel failed.
  bool settle(Store& store, Progress& progress) {
    auto& state = cell_.state;
    if (lost_ && broken_kernel_.empty() && ++state.startup_failures >= kMostStartupFailures)
      throw workers_do_not_start(cell_.options.launch, process_.reason, cell_.options.out);
    for (const auto& [kernel_id, reason] : wrong_) {
      const auto stage = kernel_id == broken_kernel_ ? broken_stage_ : "recheck";
      quarantine(store, cell_.run, state, kernel_id, stage, reason, progress);
    }
    for (const auto& [kernel_id, reason] : too_fast_)
      progress.warning(fmt::format("{}: {} IMPOSSIBLE: {}", state.record.cell_id, kernel_id, reason));
    if (!process_.valid && wrong_.empty()) {
      progress.warning(fmt::format("{}: process {} rejected: {}", state.record.cell_id, process_.process,
                                   process_.reason));
    }
    return !wrong_.empty() || !too_fast_.empty();
  }

 private:
  template <typename Step>
  void step(Step work) {
    if (lost_) return;
    try {
      work();
    } catch (const WorkerLost& lost) {
      lost_ = true;
      reject(lost.kernel_id.empty() ? lost.what() : fmt::format("{} {}", lost.kernel_id, lost.what()));
      broken_kernel_ = lost.kernel_id;
      broken_stage_ = lost.stage;
      // Once may be the machine's or the connection's fault; the same kernel again is the kernel's.
      const bool excused = lost.may_be_from_outside && ++cell_.state.lost_workers[broken_kernel_] < 2;
      if (!broken_kernel_.empty() && !excused) wrong_[broken_kernel_] = lost.what();
      worker_.reset();
    }
  }

  void reject(const std::string& reason) {
    process_.valid = false;
    process_.reason = reason;
  }

  CellRun cell_;
  MeasurementPlan plan_;
  std::vector<PreparedKernel> prepared_;
  ProcessRecord process_;
  double patience_ = 0;
  std::optional<WorkerProcess> worker_;
  bool lost_ = false;
  std::string broken_kernel_, broken_stage_;
  std::map<std::string, std::string> wrong_, too_fast_;
};

/// Each step of all, the first to go alternating with `turn`.
template <typename Step>
void in_turn(std::deque<ProcessMeasurement>& all, int turn, Step step) {
  for (std::size_t i = 0; i < all.size(); ++i) step(all[(i + static_cast<std::size_t>(turn)) % all.size()]);
}

}  // namespace

bool measure_together(std::span<CellRun> runs, Store& store, Progress& progress,
                      const std::function<void(int)>& on_block) {
  int number = 0;
  for (const auto& cell : runs) number = std::max(number, cell.state.next_process);
  std::deque<ProcessMeasurement> all;
  for (auto& cell : runs) {
    cell.state.next_process = number;
    all.emplace_back(cell);
  }
  const int blocks = for_cell(runs.front().options.profile, runs.front().state.cell).blocks;
  bool was_interrupted = false;
  try {
    in_turn(all, number, [](auto& process) { process.start(); });
    for (int block = 0; block < blocks; ++block) {
      in_turn(all, number + block, [&](auto& process) { process.run_block(block); });
      on_block(block + 1);
    }
    in_turn(all, number + blocks, [](auto& process) { process.run_block(-1); });
    in_turn(all, number, [](auto& process) { process.stop(); });
    std::vector<json*> noises;
    for (auto& process : all) {
      if (auto* noise = process.noise()) noises.push_back(noise);
    }
    share_turns(noises);
    for (auto& process : all) process.judge_noise();
  } catch (const Interrupted&) {
    for (auto& process : all) process.interrupt();
    was_interrupted = true;
  }
  for (auto& process : all) process.commit(store);
  if (was_interrupted) throw Interrupted();
  bool failed = false;
  for (auto& process : all) failed |= process.settle(store, progress);
  return failed;
}

}  // namespace attnbench
