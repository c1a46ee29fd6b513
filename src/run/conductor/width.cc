#include "run/conductor/width.h"

#include <map>
#include <set>
#include <vector>

#include "stats/intervals.h"

namespace attnbench {
namespace {

/// What identifies a column of samples: (role, kernel id).
using Entrant = std::pair<std::string, std::string>;

std::optional<double> half_width(std::span<const ProcessRecord> processes, const std::string& baseline_id,
                                 const Entrant& entrant) {
  std::vector<double> log_ratios;
  for (const auto& process : processes) {
    if (!process.valid) continue;
    std::map<int, stats::BlockPair> blocks;
    for (const auto& sample : process.samples) {
      if (!sample.valid) continue;
      if (sample.role == "kernel" && sample.kernel_id == baseline_id) {
        blocks[sample.block].baseline_seconds = sample.time_seconds;
      }
      if (sample.role == entrant.first && sample.kernel_id == entrant.second) {
        blocks[sample.block].kernel_seconds = sample.time_seconds;
      }
    }
    std::vector<stats::BlockPair> pairs;
    for (const auto& [block, pair] : blocks) {
      if (pair.baseline_seconds > 0 && pair.kernel_seconds > 0) pairs.push_back(pair);
    }
    if (!pairs.empty()) log_ratios.push_back(stats::paired_log_ratio(pairs));
  }
  if (log_ratios.size() < 2) return std::nullopt;
  const auto interval = stats::ratio_interval(log_ratios);
  return (interval.high - interval.low) / 2 / interval.estimate;
}

}  // namespace

std::optional<double> alias_half_width(std::span<const ProcessRecord> processes,
                                       const std::string& baseline_id) {
  return half_width(processes, baseline_id, {"alias", baseline_id});
}

bool narrow_enough(std::span<const ProcessRecord> processes, const std::string& baseline_id) {
  constexpr double kAliasHalfWidth = 0.01;
  constexpr double kRatioHalfWidth = 0.02;
  const auto alias = alias_half_width(processes, baseline_id);
  if (!alias || *alias > kAliasHalfWidth) return false;
  std::set<std::string> kernels;
  for (const auto& process : processes) {
    for (const auto& sample : process.samples) {
      if (sample.role == "kernel" && sample.valid && sample.kernel_id != baseline_id)
        kernels.insert(sample.kernel_id);
    }
  }
  for (const auto& kernel : kernels) {
    const auto width = half_width(processes, baseline_id, {"kernel", kernel});
    if (!width || *width > kRatioHalfWidth) return false;
  }
  return true;
}

}  // namespace attnbench
