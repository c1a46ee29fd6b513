#include "run/conductor/cell_state.h"

#include <algorithm>

#include "attnbench/error.h"

namespace attnbench {

std::vector<KernelRequest> CellState::entrants(double limit_seconds) const {
  std::vector<KernelRequest> list;
  for (const auto& kernel : record.kernels) {
    if (!kernel.support_reason.empty() || !kernel.quarantine_reason.empty()) continue;
    auto mechanism = parse_mechanism(kernel.mechanism);
    mechanism.num_kv_heads = kernel.num_kv_heads;
    const KernelId id{mechanism, kernel.kernel, kernel.engine, kernel.path};
    if (find_kernel(id) == nullptr)
      throw InputError("kernel", kernel.id(), "is of a plugin that is not loaded: name it with --plugin");
    const auto known = call_seconds.find(kernel.id());
    const double call = known == call_seconds.end() ? 0 : known->second;
    list.push_back({id, kernel.batch_calls.value_or(1), slot_limit_seconds(call, limit_seconds)});
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

std::vector<KernelRequest> candidates(const Cell& cell, double limit_seconds) {
  std::vector<KernelRequest> list;
  for (const auto& mechanism : cell.measured_mechanisms()) {
    for (const auto* kernel : kernels()) {
      const auto kinds = kernel->mechanisms();
      const bool computes = std::find(kinds.begin(), kinds.end(), mechanism.kind) != kinds.end();
      if (computes && cell.keeps(kernel_id(mechanism, *kernel)))
        list.push_back({{mechanism, std::string(kernel->kernel()), std::string(kernel->engine()),
                         std::string(kernel->path())},
                        1,
                        limit_seconds});
    }
  }
  return list;
}

double slot_limit_seconds(double call_seconds, double kernel_limit_seconds) {
  // Priming, warm-up and a batch are at most some 80 calls; five times that before a slow machine is called a
  // hang.
  return std::max(kernel_limit_seconds, 400 * call_seconds);
}

}  // namespace attnbench
