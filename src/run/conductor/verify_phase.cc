#include "run/conductor/verify_phase.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <set>

#include "core/decisions.h"
#include "run/protocol/messages.h"
#include "run/worker/slot_timer.h"

namespace attnbench {
namespace {

KernelRecord record_of(const KernelRequest& request, const Cell& cell) {
  KernelRecord record;
  record.mechanism = to_string(request.kernel.mechanism);
  record.kernel = request.kernel.kernel;
  record.engine = request.kernel.engine;
  record.path = request.kernel.path;
  record.num_kv_heads = request.kernel.mechanism.num_kv_heads;
  record.is_baseline = request.id() == cell.baseline;
  record.form = form_of(record.kernel);
  return record;
}

/// Books one answer. Returns true if the kernel failed.
bool take(const VerificationOutcome& outcome, Store& store, std::int64_t run, CellState& state) {
  auto* kernel = state.find(outcome.record.kernel_id);
  if (kernel == nullptr) return false;
  kernel->is_default_path = outcome.is_default_path;
  if (!outcome.unsupported_reason.empty()) {
    kernel->support_reason = outcome.unsupported_reason;
    return false;
  }
  store.put_verification(run, outcome.record);
  const double call = outcome.record.median_call_seconds;
  if (outcome.record.passed) {
    state.call_seconds[kernel->id()] = call;
    if (!outcome.record.reason.empty()) state.unranked[kernel->id()] = outcome.record.reason;
    const bool hot = state.cell.condition == Condition::hot;
    kernel->batch_calls = hot ? batch_calls_for(call, TimingRules{}) : 1;
    return false;
  }
  kernel->quarantine_reason = "failed verification: " + outcome.record.reason;
  store.add_failure(run, {state.record.cell_id, kernel->id(), "verify", outcome.record.reason});
  return true;
}

/// Says so where a kernel becomes the baseline that was not planned to.
void choose_baseline(CellState& state, Progress& progress) {
  state.choose_baseline();
  const auto* chosen = state.baseline();
  if (chosen == nullptr) return;
  if (const auto why = state.unranked.find(chosen->id()); why != state.unranked.end()) {
    progress.warning(fmt::format("{}: no kernel that can be ranked is there: no ratios; {} is {}",
                                 state.record.cell_id, chosen->id(), why->second));
  } else if (chosen->id() != state.cell.baseline) {
    const auto* first = state.find(state.cell.baseline);
    if (state.cell.may_be_baseline(chosen->id()) && first != nullptr && !first->support_reason.empty())
      return;  // as the study says
    const auto planned = state.unranked.find(state.cell.baseline);
    progress.warning(fmt::format(
        "{}: the baseline {} {}; ratios are to {}", state.record.cell_id, state.cell.baseline,
        planned == state.unranked.end() ? "cannot be timed" : "is not ranked (" + planned->second + ")",
        chosen->id()));
  }
}

}  // namespace

bool verify_cell_in_worker(const RunOptions& options, const std::vector<KernelOffer>& offers, Store& store,
                           std::int64_t run, CellState& state, const Ceilings& ceilings, Progress& progress) {
  const auto all = candidates(state.cell, offers, options.kernel_limit_seconds);
  auto waiting = all;
  auto asked = all;  // without those that ended a worker
  state.record.kernels.clear();
  for (const auto& request : all) state.record.kernels.push_back(record_of(request, state.cell));
  store.put_cell(run, state.record);  // verifications refer to it

  // Booked when no worker is left: one whose conductor waits for a locked store would miss its heartbeats.
  std::vector<VerificationOutcome> outcomes;
  std::set<std::string> tried_again;
  int startup_failures = 0;
  while (!waiting.empty()) {
    try {
      WorkerProcess worker(options.launch, options.seed);
      worker.hello(Ask::nothing_more);
      worker.send(
          to_json(messages::Verify{state.cell, waiting, asked, ceilings,
                                   for_cell(options.profile, state.cell).default_path_only, options.seed}));
      // The worker ends a kernel that hangs; only a hung worker itself is silent for longer.
      const double patience = 3 * options.kernel_limit_seconds + 60;
      while (!waiting.empty()) {
        const auto answer = worker.receive(patience);
        if (messages::is<messages::Verified>(answer)) break;
        outcomes.push_back(messages::read<messages::Outcome>(answer).outcome);
        const auto& kernel_id = outcomes.back().record.kernel_id;
        std::erase_if(waiting, [&](const auto& choice) { return choice.id() == kernel_id; });
      }
      if (!waiting.empty())
        throw WorkerLost(waiting.front().id(), "verify", "the worker gave no result for it");
    } catch (const WorkerLost& lost) {
      if (lost.kernel_id.empty()) {
        if (++startup_failures >= kMostStartupFailures)
          throw workers_do_not_start(options.launch, lost.what(), options.out);
        progress.warning(fmt::format("{}: {}; started again", state.record.cell_id, lost.what()));
        continue;
      }
      startup_failures = 0;
      if (lost.may_be_from_outside && tried_again.insert(lost.kernel_id).second) {
        progress.warning(
            fmt::format("{}: {} {}; verified again", state.record.cell_id, lost.kernel_id, lost.what()));
        continue;
      }
      VerificationOutcome outcome;
      outcome.record.cell_id = state.record.cell_id;
      outcome.record.kernel_id = lost.kernel_id;
      outcome.record.reason =
          lost.stage.empty() ? lost.what() : fmt::format("{} while {}", lost.what(), lost.stage);
      const auto before = waiting.size();
      for (auto* list : {&waiting, &asked})
        std::erase_if(*list, [&](const auto& choice) { return choice.id() == lost.kernel_id; });
      if (waiting.size() == before) throw;
      outcomes.push_back(outcome);
    }
  }
  bool failed = false;
  for (const auto& outcome : outcomes) failed |= take(outcome, store, run, state);
  choose_baseline(state, progress);
  store.put_cell(run, state.record);
  return failed;
}

}  // namespace attnbench
