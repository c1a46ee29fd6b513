#include "run/worker/cell_measurement.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <stdexcept>

#include "attnbench/error.h"
#include "attnbench/host_kernel.h"
#include "run/external/load.h"
#include "run/noise/fp_state.h"
#include "run/noise/quiet.h"
#include "run/verification/check.h"
#include "stats/intervals.h"

namespace attnbench {
namespace {

/// Whose threads those of the sentinel, the evictor and the floating-point state are.
constexpr std::string_view kOwnPool = "cpu";

SampleRecord sample(int block, int position, std::string role, std::string kernel_id,
                    std::int64_t batch_calls, double time_seconds, int priming_calls) {
  SampleRecord record;
  record.block = block;
  record.position = position;
  record.role = std::move(role);
  record.kernel_id = std::move(kernel_id);
  record.batch_calls = batch_calls;
  record.time_seconds = time_seconds;
  record.priming_calls = priming_calls;
  return record;
}

/// Why the times that an execution with a clock of its own reports cannot be true; empty where they can. It
/// may have reported better ones while it was verified.
std::string untold_time(const Execution& execution, BoundCall& call) {
  if (dynamic_cast<const HostExecution*>(&execution) != nullptr) return {};
  try {
    call.require_whole_time();
    return {};
  } catch (const WrongTiming& wrong) {
    return wrong.what();
  }
}

Calls calls_of(BoundCall& call) {
  return [&call](std::int64_t runs) { return call.run(runs).seconds; };
}

}  // namespace

/// One competitor in the cell: a kernel, or the baseline's second instance.
struct CellMeasurement::Entrant {
  std::string name;  ///< kernel id, or "alias"
  std::string role;
  std::string kernel_id;
  const KernelChoice* choice = nullptr;
  Problem problem;
  Tensors tensors;
  std::vector<Buffer> outputs;
  std::unique_ptr<Execution> execution;
  std::unique_ptr<BoundCall> call;
  bool changed_fp_state = false;
};

CellMeasurement::CellMeasurement(MeasurementPlan plan, Device& device, int sentinel_threads,
                                 Announce announce)
    : plan_(std::move(plan)),
      device_(device),
      announce_(std::move(announce)),
      queue_(device.make_queue()),
      sentinel_(sentinel_threads) {
  for (const auto& request : plan_.kernels) {
    const auto choice = find_choice(request);
    if (!choice) {
      announce_(request.id(), "prepare", request.limit_seconds);
      throw InputError("kernel", request.id(), why_not_registered());
    }
    choices_.push_back(*choice);
  }
}

CellMeasurement::~CellMeasurement() = default;

void CellMeasurement::take_turn(std::string_view engine) {
  if (engine == turn_) return;
  if (!turn_.empty()) wait_until_quiet(getpid());
  turn_ = engine;
}

void CellMeasurement::evict_for(std::string_view engine) {
  take_turn(kOwnPool);
  device_.evict();
  take_turn(engine);
}

CellMeasurement::Entrant& CellMeasurement::entrant(int index) {
  return *entrants_.at(static_cast<std::size_t>(index));
}

const reference::ProblemData& CellMeasurement::inputs_for(const Problem& problem) {
  for (const auto& [owner, data] : inputs_) {
    if (owner.mechanism.num_kv_heads == problem.mechanism.num_kv_heads) return data;
  }
  inputs_.emplace_back(problem,
                       reference::make_data(problem, reference::InputKind::normal, plan_.data_seed, false));
  return inputs_.back().second;
}

std::vector<PreparedKernel> CellMeasurement::prepare() {
  using Clock = std::chrono::steady_clock;
  if (plan_.cell.condition == Condition::cold)
    evict_for(kOwnPool);  // what that allocates is there from now on
  std::vector<PreparedKernel> report;
  for (std::size_t i = 0; i <= choices_.size(); ++i) {
    const bool is_alias = i == choices_.size();
    auto next = std::make_unique<Entrant>();
    next->choice = &choices_[is_alias ? plan_.baseline : i];
    next->kernel_id = next->choice->id();
    next->name = is_alias ? std::string(kAlias) : next->kernel_id;
    next->role = is_alias ? "alias" : "kernel";
    next->problem = plan_.cell.problem(next->choice->mechanism);
    announce_(next->kernel_id, "prepare", next->choice->limit_seconds);

    next->tensors = inputs_for(next->problem).tensors;
    for (const auto& spec : roles_of(next->problem)) {
      if (spec.access != Access::out || spec.optional) continue;
      next->outputs.emplace_back(spec.bytes());
      next->tensors[spec.role] = dense_view(next->outputs.back().data(), spec);
    }

    const double executed_flops = next->choice->kernel->executed_flops(next->problem);
    if (!std::isfinite(executed_flops) || executed_flops < 0)
      throw std::runtime_error(fmt::format("says that it executes {} FLOPs", executed_flops));
    const auto moved_bytes = next->choice->kernel->moved_bytes(next->problem);
    if (moved_bytes && (!std::isfinite(*moved_bytes) || *moved_bytes < 0))
      throw std::runtime_error(fmt::format("says that it moves {} bytes", *moved_bytes));

    take_turn(next->choice->kernel->engine());
    const auto start = Clock::now();
    next->execution = next->choice->kernel->prepare(next->problem, device_);
    const std::chrono::duration<double> prepare_time = Clock::now() - start;
    const auto bind_start = Clock::now();
    next->call = std::make_unique<BoundCall>(*next->execution, next->problem, next->tensors, *queue_);
    const std::chrono::duration<double> bind_time = Clock::now() - bind_start;
    next->call->poison_outputs();
    const double first_call = next->call->run().seconds;
    std::vector<double> transport;
    const auto warm = warm_up(
        [&](std::int64_t runs) {
          const auto time = next->call->run(runs);
          transport.push_back(std::max(0.0, time.host_seconds - time.seconds));
          return time.seconds;
        },
        plan_.warmup_limit_calls, plan_.warmup_limit_seconds, rules_);
    next->execution->rest();
    report.push_back({next->name, prepare_time.count(), bind_time.count(), first_call,
                      next->execution->workspace_bytes(), executed_flops,
                      work(next->problem).compulsory_bytes, moved_bytes, warm.calls, warm.seconds,
                      warm.settled, transport.empty() ? 0 : stats::median(transport)});
    entrants_.push_back(std::move(next));
  }
  return report;
}

SampleRecord CellMeasurement::run_slot(Entrant& entrant, int block, int position) {
  announce_(entrant.kernel_id, "measure", entrant.choice->limit_seconds);
  const auto engine = entrant.choice->kernel->engine();
  take_turn(kOwnPool);
  reset_fp_state(device_.host_threads());
  take_turn(engine);
  int priming_calls = 0;
  double seconds = 0;
  std::int64_t calls = 1;
  if (plan_.cell.condition == Condition::hot) {
    calls = entrant.choice->batch_calls;
    priming_calls = prime(calls_of(*entrant.call), rules_);
    seconds = entrant.call->run(calls).seconds / static_cast<double>(calls);
  } else {
    evict_for(engine);
    seconds = entrant.call->run().seconds;
  }
  entrant.execution->rest();
  take_turn(kOwnPool);
  if (!fp_state_is_default(device_.host_threads())) entrant.changed_fp_state = true;
  return sample(block, position, entrant.role, entrant.kernel_id, calls, seconds, priming_calls);
}

SampleRecord CellMeasurement::run_sentinel(int block, int position) {
  // Primed like every slot: a Xeon's unprimed sentinel took 10 to 15 % longer after a kernel than after
  // itself, so that its drift told of the order of kernels as well.
  take_turn(kOwnPool);
  sentinel_.run_seconds();
  const double seconds = sentinel_.run_seconds();
  sentinel_seconds_.push_back(seconds);
  return sample(block, position, "sentinel", "", 1, seconds, 0);
}

std::vector<SampleRecord> CellMeasurement::run_block(int block) {
  if (block < 0) return run_unbatched();
  std::vector<SampleRecord> samples;
  int position = 0;
  samples.push_back(run_sentinel(block, position++));
  for (const int index : plan_.orders.at(static_cast<std::size_t>(block))) {
    samples.push_back(run_slot(entrant(index), block, position++));
  }
  samples.push_back(run_sentinel(block, position));
  return samples;
}

std::vector<SampleRecord> CellMeasurement::run_unbatched() {
  std::vector<SampleRecord> samples;
  for (const auto& next : entrants_) {
    if (next->role == "alias") continue;
    announce_(next->kernel_id, "measure", next->choice->limit_seconds);
    const bool hot = plan_.cell.condition == Condition::hot;
    const auto engine = next->choice->kernel->engine();
    take_turn(engine);
    const int priming_calls = hot ? prime(calls_of(*next->call), rules_) : 0;
    for (int c = 0; c < plan_.unbatched_calls; ++c) {
      if (!hot) evict_for(engine);
      samples.push_back(sample(-1, c, "unbatched", next->kernel_id, 1, next->call->run().seconds,
                               c == 0 ? priming_calls : 0));
    }
    next->execution->rest();
  }
  return samples;
}

std::vector<RecheckedKernel> CellMeasurement::recheck() {
  constexpr std::int64_t kRows = 32;
  std::vector<RecheckedKernel> report;
  std::optional<Problem> problem;  // of what is expected: neighbours share it
  std::vector<reference::Row> rows;
  reference::RowResults exact;
  std::vector<reference::RowResults> plain;
  for (const auto& next : entrants_) {
    announce_(next->kernel_id, "recheck", next->choice->limit_seconds);
    if (problem != next->problem) {
      problem = next->problem;
      rows = reference::sample_rows(next->problem, kRows);
      exact = reference::oracle(next->problem, next->tensors, rows);
      plain = reference::plain_forms(next->problem, next->tensors, rows);
    }
    next->call->read_outputs();
    const auto& kernel = *next->choice->kernel;
    const auto demand = demand_on(kernel, next->problem);
    const auto judge = [&] { return compare_rows(next->problem, next->tensors, rows, exact, plain, demand); };
    auto result = judge();
    const auto fail_for = [&](const std::string& fault) {
      if (fault.empty()) return;
      result.passed = false;
      result.reason = fault;
    };
    if (result.passed) {
      // The right output may be of an early call: a kernel may have stopped computing since.
      const auto inputs = hash_inputs(next->problem, next->tensors);
      next->call->poison_outputs();
      reset_fp_state(device_.host_threads());
      next->call->run();
      next->call->read_outputs();
      const auto first = result;
      result = judge();
      if (result.passed && first.share > result.share) result = first;
      if (result.passed) {
        next->call->read_inputs();
        fail_for(hash_inputs(next->problem, next->tensors) == inputs
                     ? wrong_implementation(kernel, *next->execution)
                     : "it changed its inputs");
      }
    }
    if (result.passed) fail_for(untold_time(*next->execution, *next->call));
    report.push_back({next->name, result.passed, result.reason, result.max_error, result.tolerance,
                      next->changed_fp_state, next->execution->implementation()});
    next->execution->rest();
  }
  return report;
}

}  // namespace attnbench
