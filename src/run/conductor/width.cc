#include "run/conductor/width.h"

#include <set>
#include <vector>

#include "stats/intervals.h"
#include "stats/process_value.h"

namespace attnbench {
namespace {

/// What identifies a column of samples: (role, kernel id).
using Entrant = std::pair<std::string, std::string>;

std::optional<double> half_width(std::span<const ProcessRecord> processes, const std::string& baseline_id,
                                 const Entrant& entrant) {
  std::vector<double> log_ratios;
  for (const auto& process : processes) {
    if (!process.valid) continue;
    std::vector<double> baseline, kernel;
    for (const auto& sample : process.samples) {
      if (!sample.valid) continue;
      if (sample.role == "kernel" && sample.kernel_id == baseline_id) baseline.push_back(sample.time_seconds);
      if (sample.role == entrant.first && sample.kernel_id == entrant.second)
        kernel.push_back(sample.time_seconds);
    }
    if (!baseline.empty() && !kernel.empty())
      log_ratios.push_back(stats::process_log_ratio(baseline, kernel));
  }
  if (log_ratios.size() < 2) return std::nullopt;
  return stats::relative_half_width(stats::ratio_interval(log_ratios));
}

}  // namespace

std::optional<double> alias_half_width(std::span<const ProcessRecord> processes,
                                       const std::string& baseline_id) {
  return half_width(processes, baseline_id, {"alias", baseline_id});
}

bool narrow_enough(std::span<const ProcessRecord> processes, const std::string& baseline_id,
                   const Profile& profile) {
  const auto alias = alias_half_width(processes, baseline_id);
  if (!alias || *alias > profile.aa_half_width) return false;
  std::set<std::string> kernels;
  for (const auto& process : processes) {
    for (const auto& sample : process.samples) {
      if (sample.role == "kernel" && sample.valid && sample.kernel_id != baseline_id)
        kernels.insert(sample.kernel_id);
    }
  }
  for (const auto& kernel : kernels) {
    const auto width = half_width(processes, baseline_id, {"kernel", kernel});
    if (!width || *width > profile.ratio_half_width) return false;
  }
  return true;
}

}  // namespace attnbench
