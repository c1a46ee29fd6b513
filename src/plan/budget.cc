#include "plan/budget.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "attnbench/error.h"
#include "attnbench/tensor.h"

namespace attnbench {
namespace {

constexpr int kFewestProcesses = 2;  // one process has no spread to speak of

double slot_seconds(double call, Condition condition, const Overheads& overheads) {
  if (condition == Condition::cold) return overheads.eviction_seconds + call;
  // Two priming calls are the fewest that can agree.
  const int priming_calls = call > kOnePrimingCallAboveSeconds ? 1 : 2;
  return priming_calls * call + std::max(call, kBatchSeconds);
}

double warmup_seconds(double call, const Profile& profile) {
  return std::max(call, std::min(call * profile.warmup_limit_calls, profile.warmup_limit_seconds));
}

int processes_of(const CellCost& cell, const Profile& profile) {
  return with_own(profile, cell.processes, cell.blocks).max_processes();
}

int most_processes(const std::vector<CellCost>& cells, const Profile& profile) {
  int most = cells.empty() ? profile.max_processes() : 0;
  for (const auto& cell : cells) most = std::max(most, processes_of(cell, profile));
  return most;
}

/// Of at most so many processes a cell.
double study_seconds(const std::vector<CellCost>& cells, const Profile& profile, const Overheads& overheads,
                     int processes) {
  double seconds = 0;
  for (const auto& cell : cells) {
    if (!cell.verified) seconds += verification_seconds(cell, overheads);
    const int planned = std::min(processes, processes_of(cell, profile));
    seconds += std::max(0, planned - cell.done_processes) * process_seconds(cell, profile, overheads);
  }
  return seconds;
}

/// The slowest call of a kernel that may be left out; 0 when only baselines remain.
double slowest_call(const std::vector<CellCost>& cells) {
  double slowest = 0;
  for (const auto& cell : cells) {
    if (cell.done_processes > 0) continue;
    for (const auto& kernel : cell.kernels) {
      if (kernel.kernel_id != cell.baseline) slowest = std::max(slowest, kernel.call_seconds);
    }
  }
  return slowest;
}

}  // namespace

std::int64_t tensor_bytes(const Problem& problem) {
  std::int64_t bytes = 0;
  for (const auto& spec : roles_of(problem)) {
    if (!spec.optional) bytes += spec.bytes();
  }
  return bytes;
}

std::int64_t output_bytes(const Problem& problem) {
  std::int64_t bytes = 0;
  for (const auto& spec : roles_of(problem)) {
    if (!spec.optional && spec.access == Access::out) bytes += spec.bytes();
  }
  return bytes;
}

std::int64_t memory_bytes(const Cell& cell) {
  std::int64_t bytes = 0;
  for (const auto& mechanism : cell.measured_mechanisms()) bytes += tensor_bytes(cell.problem(mechanism));
  return bytes;
}

double nominal_call_seconds(double executed_flops, double compulsory_bytes, double flops_per_second,
                            double bytes_per_second) {
  return std::max(executed_flops / flops_per_second, compulsory_bytes / bytes_per_second);
}

double process_seconds(const CellCost& cell, const Profile& of_study, const Overheads& overheads) {
  const auto profile = with_own(of_study, cell.processes, cell.blocks);
  const bool cold = cell.condition == Condition::cold;
  double seconds = overheads.process_start_seconds + 2 * profile.blocks * overheads.sentinel_seconds;
  for (const auto& kernel : cell.kernels) {
    const auto call = kernel.call_seconds;
    const int slots = profile.blocks * (kernel.kernel_id == cell.baseline ? 2 : 1);
    const double recheck = call;
    seconds += kernel.prepare_seconds + warmup_seconds(call, profile) +
               slots * slot_seconds(call, cell.condition, overheads) +
               profile.unbatched_calls * (call + (cold ? overheads.eviction_seconds : 0)) + recheck;
  }
  return seconds;
}

double verification_seconds(const CellCost& cell, const Overheads& overheads) {
  double seconds = 0;
  for (const auto& kernel : cell.kernels) {
    seconds += overheads.process_start_seconds + kernel.prepare_seconds +
               overheads.verification_calls * kernel.call_seconds;
  }
  return seconds;
}

double study_seconds(const std::vector<CellCost>& cells, const Profile& profile, const Overheads& overheads) {
  return study_seconds(cells, profile, overheads, most_processes(cells, profile));
}

std::vector<TooSlow> leave_out_too_slow(double budget_seconds, std::vector<CellCost>& cells,
                                        const Profile& profile, const Overheads& overheads, int processes) {
  std::vector<TooSlow> too_slow;
  while (study_seconds(cells, profile, overheads, processes) > budget_seconds) {
    const double slowest = slowest_call(cells);
    if (slowest == 0) break;
    for (auto& cell : cells) {
      if (cell.done_processes > 0) continue;
      std::erase_if(cell.kernels, [&](const KernelCost& kernel) {
        const bool leaves = kernel.kernel_id != cell.baseline && kernel.call_seconds >= slowest;
        if (leaves) too_slow.push_back({cell.cell_id, kernel.kernel_id, 0});
        return leaves;
      });
    }
  }
  for (auto& kernel : too_slow) kernel.limit_seconds = slowest_call(cells);
  return too_slow;
}

BudgetPlan fit_budget(double budget_seconds, std::vector<CellCost> cells, const Profile& profile,
                      const Overheads& overheads) {
  const auto at = [&](int processes) { return study_seconds(cells, profile, overheads, processes); };
  BudgetPlan plan;
  int processes = most_processes(cells, profile);
  while (processes > kFewestProcesses && at(processes) > budget_seconds) --processes;

  const double needed = at(processes);
  plan.too_slow = leave_out_too_slow(budget_seconds, cells, profile, overheads, processes);
  if (!plan.too_slow.empty() ? slowest_call(cells) == 0 : at(processes) > budget_seconds) {
    throw InputError("budget", fmt::format("{:.0f} s", budget_seconds),
                     fmt::format("is too short: {} processes of every cell take about {:.0f} s", processes,
                                 std::ceil(needed)));
  }
  plan.profile = with_at_most(profile, processes);
  plan.processes = processes;
  plan.seconds = at(processes);
  return plan;
}

}  // namespace attnbench
