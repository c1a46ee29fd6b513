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

void CellState::choose_baseline() {
  const auto can_be_timed = [](const KernelRecord& kernel) {
    return kernel.support_reason.empty() && kernel.quarantine_reason.empty();
  };
  const auto can_be_ranked = [&](const KernelRecord& kernel) {
    return can_be_timed(kernel) && !unranked.contains(kernel.id());
  };
  auto& kernels = record.kernels;
  const bool any = std::any_of(kernels.begin(), kernels.end(), can_be_ranked);
  const auto will_do = [&](const KernelRecord& kernel) {
    return any ? can_be_ranked(kernel) : can_be_timed(kernel);
  };
  if (const auto* planned = baseline(); planned != nullptr && will_do(*planned)) return;
  for (auto& kernel : kernels) kernel.is_baseline = false;
  for (const auto& id : cell.baselines()) {
    if (auto* next = find(id); next != nullptr && will_do(*next)) {
      next->is_baseline = true;
      return;
    }
  }
  const auto first = std::find_if(kernels.begin(), kernels.end(), will_do);
  if (first != kernels.end()) first->is_baseline = true;
}

std::vector<KernelRequest> candidates(const Cell& cell, const std::vector<KernelOffer>& offers,
                                      double limit_seconds) {
  std::vector<KernelRequest> list;
  for (const auto& mechanism : cell.measured_mechanisms()) {
    for (const auto& offer : offers) {
      KernelRequest request{{mechanism, offer.kernel, offer.engine, offer.path}, 1, limit_seconds};
      if (offer.computes(mechanism.kind) && cell.keeps(request.id())) list.push_back(std::move(request));
    }
  }
  return list;
}

void require_offered(const CellState& state, const std::vector<KernelOffer>& offers) {
  for (const auto& request : state.entrants(0)) {
    const auto& id = request.kernel;
    const auto has_it = [&](const KernelOffer& offer) {
      return offer.kernel == id.kernel && offer.engine == id.engine && offer.path == id.path &&
             offer.computes(id.mechanism.kind);
    };
    if (std::none_of(offers.begin(), offers.end(), has_it))
      throw InputError("kernel", request.id(), "is of a plugin that is not loaded: name it with --plugin");
  }
}

double slot_limit_seconds(double call_seconds, double kernel_limit_seconds) {
  // Priming, warm-up and a batch are at most some 80 calls; five times that before a slow machine is called a
  // hang.
  return std::max(kernel_limit_seconds, 400 * call_seconds);
}

}  // namespace attnbench
