#include "run/conductor/measure_phase.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>
#include <map>

#include "core/json.h"
#include "plan/random.h"
#include "plan/williams.h"
#include "run/noise/noise.h"
#include "run/worker/cell_measurement.h"

namespace attnbench {
namespace {

using nlohmann::json;

std::string now_utc() { return fmt::format("{:%FT%TZ}", fmt::gmtime(std::time(nullptr))); }

MeasurementPlan plan_process(const RunOptions& options, const CellState& state) {
  MeasurementPlan plan;
  plan.cell = state.cell;
  plan.kernels = state.entrants(options.kernel_limit_seconds);
  for (std::size_t k = 0; k < plan.kernels.size(); ++k) {
    if (plan.kernels[k].id() == state.baseline()->id()) plan.baseline = k;
  }
  const auto treatments = static_cast<int>(plan.kernels.size()) + 1;  // and the alias
  plan.orders = block_orders(treatments, cell_seed(options.seed, state.cell.id()), state.next_process,
                             options.profile.blocks);
  plan.unbatched_calls = options.profile.unbatched_calls;
  plan.warmup_limit_calls = options.profile.warmup_limit_calls;
  plan.warmup_limit_seconds = options.profile.warmup_limit_seconds;
  // Other inputs than verification saw, and others in each process.
  plan.data_seed = options.seed + 1000003u * (static_cast<std::uint64_t>(state.next_process) + 1);
  return plan;
}

void append_samples(ProcessRecord& process, const json& samples) {
  for (const auto& in : samples) {
    SampleRecord sample;
    sample.block = read_field<int>(in, "block");
    sample.position = read_field<int>(in, "position");
    sample.role = read_field<std::string>(in, "role");
    sample.kernel_id = read_field<std::string>(in, "kernel_id");
    sample.batch_calls = read_field<std::int64_t>(in, "batch_calls");
    sample.time_seconds = read_field<double>(in, "time_seconds");
    sample.priming_calls = read_field<int>(in, "priming_calls");
    process.samples.push_back(std::move(sample));
  }
}

/// Takes a kernel out of the cell; what was measured with it stays, marked, and the cell starts over.
void quarantine(Store& store, std::int64_t run, CellState& state, const std::string& kernel_id,
                const std::string& stage, const std::string& reason, Progress& progress) {
  auto* kernel = state.find(kernel_id);
  if (kernel == nullptr || !kernel->quarantine_reason.empty()) return;
  kernel->quarantine_reason = fmt::format("{}: {}", stage, reason);
  const bool was_baseline = kernel->is_baseline;
  if (was_baseline) {
    kernel->is_baseline = false;
    for (auto& other : state.record.kernels) {
      if (other.support_reason.empty() && other.quarantine_reason.empty()) {
        other.is_baseline = true;
        break;
      }
    }
  }
  store.add_failure(run, {state.record.cell_id, kernel_id, stage, reason});
  store.put_cell(run, state.record);
  store.invalidate_processes(run, state.record.cell_id,
                             fmt::format("re-planned without {}, which failed ({})", kernel_id, reason));
  state.valid_processes = 0;
  state.tried_processes = 0;
  progress.warning(fmt::format("{}: {} {}; measured without it", state.record.cell_id, kernel_id, reason));
}

/// Marks the samples of kernels that claim to be faster than the machine. Returns them with the reason.
std::map<std::string, std::string> find_impossible(const MeasurementPlan& plan, const Ceilings& ceilings,
                                                   const ProcessRecord& process) {
  std::map<std::string, std::string> found;
  for (const auto& choice : plan.kernels) {
    std::vector<double> times;
    for (const auto& sample : process.samples) {
      if (sample.role == "kernel" && sample.kernel_id == choice.id()) times.push_back(sample.time_seconds);
    }
    if (times.empty()) continue;
    std::nth_element(times.begin(), times.begin() + static_cast<std::ptrdiff_t>(times.size() / 2),
                     times.end());
    const auto problem = plan.cell.problem(choice.mechanism);
    const auto reason =
        impossible(ceilings, choice.kernel->executed_flops(problem), work(problem).compulsory_bytes,
                   times[times.size() / 2], problem.shape.dtype_q);
    if (reason) found[choice.id()] = *reason;
  }
  return found;
}

/// For the analysis, which knows no kernels.
void add_executed_flops(ProcessRecord& process, const MeasurementPlan& plan) {
  for (const auto& choice : plan.kernels) {
    process.kernels[choice.id()]["executed_flops"] =
        choice.kernel->executed_flops(plan.cell.problem(choice.mechanism));
  }
}

}  // namespace

bool measure_process(const RunOptions& options, Store& store, std::int64_t run, CellState& state,
                     const Ceilings& ceilings, Progress& progress, const std::function<void(int)>& on_block) {
  const auto plan = plan_process(options, state);
  ProcessRecord process;
  process.cell_id = state.record.cell_id;
  process.process = state.next_process++;
  process.started_utc = now_utc();
  process.orders = plan.orders;
  for (const auto& choice : plan.kernels) process.order_kernels.push_back(choice.id());
  process.order_kernels.emplace_back(kAlias);

  ++state.tried_processes;
  const auto reject = [&](const std::string& reason) {
    process.valid = false;
    process.reason = reason;
  };
  double longest_slot = 0;
  for (const auto& choice : plan.kernels) longest_slot = std::max(longest_slot, choice.limit_seconds);
  const double patience = longest_slot + 60;  // the worker itself ends a slot at its limit

  std::string broken_kernel, broken_stage;
  std::map<std::string, std::string> wrong;
  bool was_interrupted = false;
  try {
    WorkerProcess worker(options.launch, options.seed + static_cast<std::uint64_t>(process.process));
    process.boot_id = worker.hello(false).value("boot_id", "");
    auto prepare = to_json(plan);
    prepare["type"] = messages::kPrepare;
    worker.send(prepare);
    process.kernels = read_field<json>(worker.receive(patience), "kernels");
    add_executed_flops(process, plan);
    for (int block = 0; block < options.profile.blocks; ++block) {
      worker.send({{"type", messages::kSlot}, {"block", block}});
      append_samples(process, read_field<json>(worker.receive(patience), "samples"));
      on_block(block + 1);
    }
    worker.send({{"type", messages::kSlot}, {"block", -1}});
    append_samples(process, read_field<json>(worker.receive(patience), "samples"));
    worker.send({{"type", messages::kStop}});
    const auto last = worker.receive(patience);
    process.noise = read_field<json>(last, "noise");
    if (const auto reason = reject_reason(process.noise); reason && !options.accept_noise) reject(*reason);
    const auto rechecks = read_field<json>(last, "kernels");
    for (const auto& [name, recheck] : rechecks.items()) {
      process.kernels[name]["recheck"] = recheck;
      if (name != kAlias && !read_field<bool>(recheck, "passed")) {
        wrong[name] = read_field<std::string>(recheck, "reason");
      }
    }
    state.startup_failures = 0;
  } catch (const WorkerLost& lost) {
    reject(lost.kernel_id.empty() ? lost.what() : fmt::format("{} {}", lost.kernel_id, lost.what()));
    broken_kernel = lost.kernel_id;
    broken_stage = lost.stage;
    if (broken_kernel.empty() && ++state.startup_failures >= 3) {
      store.add_process(run, process);
      throw std::runtime_error(fmt::format("three workers in a row did not start: {}", lost.what()));
    }
    if (!broken_kernel.empty()) wrong[broken_kernel] = lost.what();
  } catch (const Interrupted&) {
    reject("interrupted");
    was_interrupted = true;
  }

  const auto too_fast = find_impossible(plan, ceilings, process);
  for (auto& sample : process.samples) {
    const auto found = too_fast.find(sample.kernel_id);
    if (found == too_fast.end()) continue;
    sample.valid = false;
    sample.reason = "IMPOSSIBLE: " + found->second;
  }
  store.add_process(run, process);
  if (process.valid) ++state.valid_processes;
  if (was_interrupted) throw Interrupted();
  for (const auto& [kernel_id, reason] : wrong) {
    const auto stage = kernel_id == broken_kernel ? broken_stage : "recheck";
    quarantine(store, run, state, kernel_id, stage, reason, progress);
  }
  for (const auto& [kernel_id, reason] : too_fast) {
    progress.warning(fmt::format("{}: {} IMPOSSIBLE: {}", state.record.cell_id, kernel_id, reason));
  }
  if (!process.valid && wrong.empty()) {
    progress.warning(
        fmt::format("{}: process {} rejected: {}", state.record.cell_id, process.process, process.reason));
  }
  return !wrong.empty() || !too_fast.empty();
}

}  // namespace attnbench
