#include "run/worker/cell_measurement.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>
#include <stdexcept>

#include "attnbench/error.h"
#include "io/json.h"
#include "plan/study_json.h"
#include "run/noise/fp_state.h"
#include "run/verification/check.h"

namespace attnbench {
namespace {

using nlohmann::json;

json sample(int block, int position, std::string_view role, const std::string& kernel_id,
            std::int64_t batch_calls, double time_seconds, int priming_calls) {
  return {{"block", block},
          {"position", position},
          {"role", role},
          {"kernel_id", kernel_id},
          {"batch_calls", batch_calls},
          {"time_seconds", time_seconds},
          {"priming_calls", priming_calls}};
}

Calls calls_of(BoundCall& call) {
  return [&call](std::int64_t runs) { return call.run(runs).seconds; };
}

}  // namespace

json to_json(const MeasurementPlan& plan) {
  auto kernels = json::array();
  for (const auto& choice : plan.kernels) kernels.push_back(to_json(choice));
  return {{"cell", to_json(plan.cell)},
          {"kernels", kernels},
          {"baseline", plan.baseline},
          {"orders", plan.orders},
          {"unbatched_calls", plan.unbatched_calls},
          {"warmup_limit_calls", plan.warmup_limit_calls},
          {"warmup_limit_seconds", plan.warmup_limit_seconds},
          {"data_seed", plan.data_seed}};
}

MeasurementPlan measurement_plan_from_json(const json& in) {
  MeasurementPlan plan;
  plan.cell = cell_from_json(read_field<json>(in, "cell"));
  for (const auto& choice : read_field<json>(in, "kernels"))
    plan.kernels.push_back(kernel_choice_from_json(choice));
  plan.baseline = read_field<std::size_t>(in, "baseline");
  plan.orders = read_field<std::vector<std::vector<int>>>(in, "orders");
  plan.unbatched_calls = read_field<int>(in, "unbatched_calls");
  plan.warmup_limit_calls = read_field<int>(in, "warmup_limit_calls");
  plan.warmup_limit_seconds = read_field<double>(in, "warmup_limit_seconds");
  plan.data_seed = read_field<std::uint64_t>(in, "data_seed");
  if (plan.baseline >= plan.kernels.size()) {
    throw InputError("baseline", std::to_string(plan.baseline), "is not one of the kernels");
  }
  return plan;
}

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
      sentinel_(sentinel_threads) {}

CellMeasurement::~CellMeasurement() = default;

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

json CellMeasurement::prepare() {
  using Clock = std::chrono::steady_clock;
  if (plan_.cell.condition == Condition::cold) device_.evict();  // what that allocates is there from now on
  auto report = json::object();
  for (std::size_t i = 0; i <= plan_.kernels.size(); ++i) {
    const bool is_alias = i == plan_.kernels.size();
    auto next = std::make_unique<Entrant>();
    next->choice = &plan_.kernels[is_alias ? plan_.baseline : i];
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

    const auto start = Clock::now();
    next->execution = next->choice->kernel->prepare(next->problem, device_);
    const std::chrono::duration<double> prepare_time = Clock::now() - start;
    const auto bind_start = Clock::now();
    next->call = std::make_unique<BoundCall>(*next->execution, next->problem, next->tensors, *queue_);
    const std::chrono::duration<double> bind_time = Clock::now() - bind_start;
    next->call->poison_outputs();
    const double first_call = next->call->run().seconds;
    const auto warm =
        warm_up(calls_of(*next->call), plan_.warmup_limit_calls, plan_.warmup_limit_seconds, rules_);
    report[next->name] = {{"prepare_seconds", prepare_time.count()},
                          {"bind_seconds", bind_time.count()},
                          {"first_call_seconds", first_call},
                          {"workspace_bytes", next->execution->workspace_bytes()},
                          {"executed_flops", executed_flops},
                          {"compulsory_bytes", work(next->problem).compulsory_bytes},
                          {"warmup_calls", warm.calls},
                          {"warmup_seconds", warm.seconds},
                          {"warmup_settled", warm.settled}};
    entrants_.push_back(std::move(next));
  }
  return report;
}

json CellMeasurement::run_slot(Entrant& entrant, int block, int position) {
  announce_(entrant.kernel_id, "measure", entrant.choice->limit_seconds);
  reset_fp_state(device_.host_threads());
  int priming_calls = 0;
  double seconds = 0;
  std::int64_t calls = 1;
  if (plan_.cell.condition == Condition::hot) {
    calls = entrant.choice->batch_calls;
    priming_calls = prime(calls_of(*entrant.call), rules_);
    seconds = entrant.call->run(calls).seconds / static_cast<double>(calls);
  } else {
    device_.evict();
    seconds = entrant.call->run().seconds;
  }
  if (!fp_state_is_default(device_.host_threads())) entrant.changed_fp_state = true;
  return sample(block, position, entrant.role, entrant.kernel_id, calls, seconds, priming_calls);
}

json CellMeasurement::run_sentinel(int block, int position) {
  // Primed like every slot: a Xeon's unprimed sentinel took 10 to 15 % longer after a kernel than after
  // itself, so that its drift told of the order of kernels as well.
  sentinel_.run_seconds();
  const double seconds = sentinel_.run_seconds();
  sentinel_seconds_.push_back(seconds);
  return sample(block, position, "sentinel", "", 1, seconds, 0);
}

json CellMeasurement::run_block(int block) {
  if (block < 0) return run_unbatched();
  auto samples = json::array();
  int position = 0;
  samples.push_back(run_sentinel(block, position++));
  for (const int index : plan_.orders.at(static_cast<std::size_t>(block))) {
    samples.push_back(run_slot(entrant(index), block, position++));
  }
  samples.push_back(run_sentinel(block, position));
  return samples;
}

json CellMeasurement::run_unbatched() {
  auto samples = json::array();
  for (const auto& next : entrants_) {
    if (next->role == "alias") continue;
    announce_(next->kernel_id, "measure", next->choice->limit_seconds);
    const bool hot = plan_.cell.condition == Condition::hot;
    const int priming_calls = hot ? prime(calls_of(*next->call), rules_) : 0;
    for (int c = 0; c < plan_.unbatched_calls; ++c) {
      if (!hot) device_.evict();
      samples.push_back(sample(-1, c, "unbatched", next->kernel_id, 1, next->call->run().seconds,
                               c == 0 ? priming_calls : 0));
    }
  }
  return samples;
}

json CellMeasurement::recheck() {
  constexpr std::int64_t kRows = 32;
  auto report = json::object();
  for (const auto& next : entrants_) {
    announce_(next->kernel_id, "recheck", next->choice->limit_seconds);
    const auto rows = reference::sample_rows(next->problem, kRows);
    const auto exact = reference::oracle(next->problem, next->tensors, rows);
    const auto plain = reference::plain_form(next->problem, next->tensors, rows);
    next->call->read_outputs();
    const auto judge = [&] { return compare_rows(next->problem, next->tensors, rows, exact, plain); };
    auto result = judge();
    if (result.passed) {
      // The right output may be of an early call: a kernel may have stopped computing since.
      const auto inputs = hash_inputs(next->problem, next->tensors);
      next->call->poison_outputs();
      reset_fp_state(device_.host_threads());
      next->call->run();
      next->call->read_outputs();
      result = judge();
      if (result.passed) {
        next->call->read_inputs();
        result.reason = hash_inputs(next->problem, next->tensors) == inputs
                            ? wrong_implementation(*next->choice->kernel, *next->execution)
                            : "it changed its inputs";
        result.passed = result.reason.empty();
      }
    }
    report[next->name] = {{"passed", result.passed},
                          {"reason", result.reason},
                          {"max_error", result.max_error},
                          {"tolerance", result.tolerance},
                          {"changed_fp_state", next->changed_fp_state}};
  }
  return report;
}

}  // namespace attnbench
