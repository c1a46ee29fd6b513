#include "run/conductor/cell_state.h"

#include <algorithm>

#include "attnbench/error.h"
#include "plan/kernel_filter.h"

namespace attnbench {

std::vector<KernelChoice> CellState::entrants(double limit_seconds) const {
  std::vector<KernelChoice> list;
  for (const auto& kernel : record.kernels) {
    if (!kernel.support_reason.empty() || !kernel.quarantine_reason.empty()) continue;
    auto mechanism = parse_mechanism(kernel.mechanism);
    mechanism.num_kv_heads = kernel.num_kv_heads;
    const auto* info = find_kernel({mechanism, kernel.kernel, kernel.engine, kernel.path});
    const auto known = call_seconds.find(kernel.id());
    const double call = known == call_seconds.end() ? 0 : known->second;
    list.push_back({mechanism, info, kernel.batch_calls.value_or(1), slot_limit_seconds(call, limit_seconds)});
  }
  return list;
}

KernelRecord* CellState::find(const std::string& kernel_id) {
  const auto found = std::find_if(record.kernels.begin(), record.kernels.end(),
                                  [&](const auto& kernel) { return kernel.id() == kernel_id; });
  return found == record.kernels.end() ? nullptr : &*found;
}

const KernelRecord* CellState::baseline() const {
  const auto found = std::find_if(record.kernels.begin(), record.kernels.end(),
                                  [](const auto& kernel) { return kernel.is_baseline; });
  return found == record.kernels.end() ? nullptr : &*found;
}

std::vector<KernelChoice> candidates(const Cell& cell, double limit_seconds) {
  const auto baseline = parse_kernel_id(cell.baseline);
  auto baseline_mechanism = bind_kv_heads(baseline.mechanism, cell.shape.num_q_heads, 0);
  auto mechanisms = cell.mechanisms;
  const auto computes_baseline = [&](const Mechanism& mechanism) {
    return to_string(mechanism) == to_string(baseline_mechanism);
  };
  const bool baseline_asked_for = std::any_of(mechanisms.begin(), mechanisms.end(), computes_baseline);
  if (!baseline_asked_for) mechanisms.insert(mechanisms.begin(), baseline_mechanism);

  std::vector<KernelChoice> list;
  for (const auto& mechanism : mechanisms) {
    const bool only_baseline = !baseline_asked_for && computes_baseline(mechanism);
    for (const auto* kernel : kernels()) {
      const auto kinds = kernel->mechanisms();
      if (std::find(kinds.begin(), kinds.end(), mechanism.kind) == kinds.end()) continue;
      const auto id = kernel_id(mechanism, *kernel);
      const bool wanted = id == cell.baseline || (!only_baseline && passes_filter(cell.kernels, id));
      if (wanted) list.push_back({mechanism, kernel, 1, limit_seconds});
    }
  }
  return list;
}

double slot_limit_seconds(double call_seconds, double kernel_limit_seconds) {
  // Priming, warm-up and a batch are at most some 80 calls; five times that before a slow machine is called a hang.
  return std::max(kernel_limit_seconds, 400 * call_seconds);
}

}  // namespace attnbench
