#include "analysis/start_up.h"

#include <cmath>
#include <nlohmann/json.hpp>
#include <vector>

#include "stats/intervals.h"

namespace attnbench {
namespace {

/// The field of the kernel in each process that has it.
std::vector<double> values_of(std::span<const ProcessRecord* const> processes, const std::string& kernel_id,
                              const char* field) {
  std::vector<double> values;
  for (const auto* process : processes) {
    if (!process->kernels->is_object()) continue;
    const auto kernel = process->kernels->find(kernel_id);
    if (kernel == process->kernels->end() || !kernel->is_object()) continue;
    const auto value = kernel->find(field);
    if (value != kernel->end() && value->is_number()) values.push_back(value->get<double>());
  }
  return values;
}

std::optional<double> median_of(std::span<const ProcessRecord* const> processes, const std::string& kernel_id,
                                const char* field) {
  const auto values = values_of(processes, kernel_id, field);
  return values.empty() ? std::nullopt : std::optional(stats::median(values));
}

}  // namespace

std::optional<StartUp> start_up_of(std::span<const ProcessRecord* const> processes,
                                   const std::string& kernel_id) {
  const auto prepare = median_of(processes, kernel_id, "prepare_seconds");
  const auto first_call = median_of(processes, kernel_id, "first_call_seconds");
  if (!prepare || !first_call) return std::nullopt;
  return StartUp{*prepare, median_of(processes, kernel_id, "bind_seconds"), *first_call, std::nullopt};
}

std::optional<std::int64_t> calls_to_pay_off(double surplus_seconds, double seconds,
                                             double baseline_surplus_seconds, double baseline_seconds) {
  const double more = surplus_seconds - baseline_surplus_seconds;
  const double gain = baseline_seconds - seconds;
  if (more <= 0 && gain >= 0) return 0;
  if (!(gain > 0)) return std::nullopt;
  const double calls = std::ceil(more / gain);
  return calls < 1e15 ? std::optional(static_cast<std::int64_t>(calls)) : std::nullopt;
}

void set_pay_off(CellAnalysis& cell) {
  const KernelAnalysis* baseline = nullptr;
  for (const auto& k : cell.kernels) {
    if (k.id() == cell.baseline && k.unranked.empty() && k.seconds && k.start_up) baseline = &k;
  }
  if (baseline == nullptr) return;
  const double baseline_seconds = baseline->seconds->estimate;
  const double baseline_surplus = baseline->start_up->surplus_seconds(baseline_seconds);
  for (auto& k : cell.kernels) {
    if (&k == baseline || !k.seconds || !k.start_up) continue;
    const double seconds = k.seconds->estimate;
    k.start_up->pays_off_after_calls =
        calls_to_pay_off(k.start_up->surplus_seconds(seconds), seconds, baseline_surplus, baseline_seconds);
  }
}

}  // namespace attnbench
