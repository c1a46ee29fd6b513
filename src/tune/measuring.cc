#include "tune/measuring.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "attnbench/error.h"
#include "core/kernel_name.h"
#include "dispatch/profile.h"
#include "plan/budget.h"
#include "plan/random.h"
#include "run/noise/noise.h"
#include "run/protocol/messages.h"
#include "run/worker/memory_fit.h"
#include "run/worker/slot_timer.h"
#include "stats/intervals.h"

namespace attnbench {
namespace {

constexpr double kSilenceSeconds = 60;

LaunchOptions launch_of(const TuneOptions& options, int threads) {
  LaunchOptions launch;
  launch.program = options.program;
  launch.threads = threads;
  launch.plugins = options.plugins;
  return launch;
}

Cell cell_of(const Problem& problem, int threads) {
  Cell cell;
  cell.shape = problem.shape;
  cell.scope = problem.scope;
  cell.phase = problem.phase;
  cell.threads = threads;
  cell.kv_heads = problem.mechanism.num_kv_heads;
  cell.mechanisms = {problem.mechanism};
  return cell;
}

}  // namespace

std::optional<std::string> noise_before(const TuneOptions& options, int threads) {
  if (options.accept_noise) return std::nullopt;
  constexpr double kSeconds = 1;
  WorkerProcess worker(launch_of(options, threads), options.seed);
  worker.hello(Ask::nothing_more);
  worker.send(to_json(messages::ObserveNoise{kSeconds}));
  const auto noise = messages::read<messages::Noise>(worker.receive(kSilenceSeconds)).noise;
  return reject_reason(*noise);
}

double nominal_seconds(const Problem& problem, int threads) {
  constexpr double kFlops = 1e10, kBytes = 5e9, kCall = 3e-6;
  const auto work = cost_work_of(problem);
  return kCall + nominal_call_seconds(work.dense_flops, work.bytes, kFlops * threads, kBytes);
}

double cell_seconds(const Problem& problem, const std::vector<ExpectedCall>& calls,
                    const TimingEffort& effort) {
  // Data are drawn on one thread; beside calls each cell costs messages.
  constexpr double kSecondsAnElement = 2e-8, kCellSeconds = 0.01;
  double seconds = kCellSeconds + kSecondsAnElement * static_cast<double>(tensor_bytes(problem)) /
                                      static_cast<double>(size_bytes(problem.shape.dtype_q));
  // First call, warm-up and primed slots; the slower of one call and a batch.
  for (const auto& call : calls)
    seconds += 4 * call.seconds + std::min(effort.warm_up_seconds, effort.warm_up_calls * call.seconds) +
               effort.blocks * (2 * call.seconds + std::max(call.seconds, TimingRules().batch_seconds));
  return seconds;
}

std::map<const KernelInfo*, double> time_cell(WorkerProcess& worker, const CpuDevice& device,
                                              const CellRequest& request, std::int64_t memory_bytes,
                                              std::vector<double>& sentinel) {
  std::vector<KernelChoice> choices;
  for (const auto& call : request.calls)
    choices.push_back(
        {request.problem.mechanism, call.kernel, batch_calls_for(call.seconds, {}), kSilenceSeconds});
  MeasurementPlan plan;
  if (choices.size() < 2) return {};
  plan.cell = cell_of(request.problem, request.threads);
  plan.cell.baseline = choices.front().id();
  // Of what it is told kernels_that_do_not_fit() leaves a fifth free.
  const auto too_large = kernels_that_do_not_fit(plan.cell, choices, device, memory_bytes / 4 * 5);
  std::erase_if(choices, [&](const KernelChoice& choice) { return too_large.contains(choice.id()); });
  if (choices.size() < 2) return {};
  plan.cell.baseline = choices.front().id();
  for (const auto& choice : choices) {
    const auto& kernel = *choice.kernel;
    plan.kernels.push_back({{choice.mechanism, std::string(kernel.kernel()), std::string(kernel.engine()),
                             std::string(kernel.path())},
                            choice.batch_calls,
                            choice.limit_seconds});
  }
  // Every other block backwards, so that a drift within the cell favours none.
  SplitMix64 random(request.seed);
  const auto order = random_permutation(static_cast<int>(choices.size()), random);
  for (int block = 0; block < request.effort.blocks; ++block) {
    plan.orders.push_back(order);
    if (block % 2 != 0) std::reverse(plan.orders.back().begin(), plan.orders.back().end());
  }
  plan.warmup_limit_calls = request.effort.warm_up_calls;
  plan.warmup_limit_seconds = request.effort.warm_up_seconds;
  plan.data_seed = request.seed;

  worker.send(to_json(messages::Prepare{plan}));
  messages::read<messages::Prepared>(worker.receive(kSilenceSeconds));
  std::map<std::string, std::vector<double>> slots;
  for (int block = 0; block < request.effort.blocks; ++block) {
    worker.send(to_json(messages::Slot{block}));
    for (const auto& sample : messages::read<messages::Samples>(worker.receive(kSilenceSeconds)).samples) {
      if (sample.role == "kernel") slots[sample.kernel_id].push_back(sample.time_seconds);
      if (sample.role == "sentinel") sentinel.push_back(sample.time_seconds);
    }
  }
  std::map<const KernelInfo*, double> times;
  for (const auto& choice : choices) {
    if (const auto& of_kernel = slots[choice.id()]; !of_kernel.empty())
      times[choice.kernel] = stats::median(of_kernel);
  }
  return times;
}

LifeEnd run_worker(const TuneOptions& options, const CpuDevice& device, int threads, std::uint64_t seed,
                   const std::function<void(WorkerProcess&, std::vector<double>& sentinel)>& measure) {
  LifeEnd end;
  std::vector<double> sentinel;
  const auto before = probe_noise(device.cpus);
  try {
    WorkerProcess worker(launch_of(options, threads), seed);
    worker.hello(Ask::nothing_more);
    measure(worker, sentinel);
    worker.send(to_json(messages::Stop{}));
    for (const auto& kernel : messages::read<messages::Stopped>(worker.receive(kSilenceSeconds)).kernels) {
      const bool may_be_chosen = kernel.passed && kernel.reason.empty();
      if (!may_be_chosen && kernel.name != kAlias) throw WorkerLost(kernel.name, "recheck", kernel.reason);
    }
  } catch (const WorkerLost& lost) {
    if (lost.kernel_id.empty()) throw InputError(fmt::format("a worker was lost: {}", lost.what()));
    end.lost_kernel = lost.kernel_id.substr(lost.kernel_id.find('/') + 1);
    end.lost_reason = fmt::format("{}: {}", lost.stage, lost.what());
    return end;
  }
  auto noise = difference(before, probe_noise(device.cpus));
  if (const auto drift = sentinel_drift(sentinel)) noise["sentinel_drift"] = *drift;
  if (!options.accept_noise) end.disturbed = reject_reason(noise);
  return end;
}

}  // namespace attnbench
