#include "analysis/process_times.h"

#include <algorithm>
#include <cmath>

namespace attnbench {
namespace {

std::optional<double> log_ratio(const ProcessBlocks& process, const std::string& baseline,
                                const std::map<int, double>& kernel) {
  const auto of_baseline = process.times.find(baseline);
  if (of_baseline == process.times.end()) return std::nullopt;
  std::vector<stats::BlockPair> pairs;
  for (const auto& [block, seconds] : kernel) {
    if (const auto other = of_baseline->second.find(block); other != of_baseline->second.end())
      pairs.push_back({other->second, seconds});
  }
  if (pairs.empty()) return std::nullopt;
  return stats::paired_log_ratio(pairs);
}

/// Nearest rank: the smallest value that at least 95 % of the values do not exceed.
double percentile_95(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  const auto rank = (values.size() * 95 + 99) / 100;
  return values[rank - 1];
}

}  // namespace

ProcessBlocks blocks_of(const ProcessRecord& process) {
  ProcessBlocks blocks;
  blocks.process = process.process;
  for (const auto& sample : process.samples) {
    if (!sample.valid) continue;
    if (sample.role == "kernel") blocks.times[sample.kernel_id][sample.block] = sample.time_seconds;
    if (sample.role == "alias") blocks.times[kAliasKey][sample.block] = sample.time_seconds;
    if (sample.role == "unbatched") blocks.unbatched[sample.kernel_id].push_back(sample.time_seconds);
  }
  return blocks;
}

std::vector<ProcessTimes> times_of(std::span<const ProcessBlocks> processes, const std::string& baseline,
                                   const std::string& key) {
  std::vector<ProcessTimes> list;
  for (const auto& process : processes) {
    const auto found = process.times.find(key);
    if (found == process.times.end()) continue;
    ProcessTimes times;
    times.process = process.process;
    for (const auto& [block, seconds] : found->second) {
      times.blocks.push_back(seconds);
      times.block_numbers.push_back(block);
    }
    times.seconds = stats::mean(times.blocks);
    times.log_ratio = log_ratio(process, baseline, found->second);
    list.push_back(std::move(times));
  }
  return list;
}

std::vector<double> log_ratios(std::span<const ProcessTimes> times) {
  std::vector<double> logs;
  for (const auto& process : times) {
    if (process.log_ratio) logs.push_back(*process.log_ratio);
  }
  return logs;
}

std::vector<double> process_means(std::span<const ProcessTimes> times) {
  std::vector<double> means;
  for (const auto& process : times) means.push_back(process.seconds);
  return means;
}

std::optional<UnbatchedTimes> unbatched_times(std::span<const ProcessBlocks> processes,
                                              const std::string& kernel_id) {
  std::vector<double> p95, cv;
  UnbatchedTimes result;
  for (const auto& process : processes) {
    const auto found = process.unbatched.find(kernel_id);
    if (found == process.unbatched.end() || found->second.size() < 2) continue;
    p95.push_back(percentile_95(found->second));
    cv.push_back(stats::coefficient_of_variation(found->second));
    result.calls += static_cast<int>(found->second.size());
  }
  if (p95.empty()) return std::nullopt;
  result.p95 = stats::mean(p95);
  result.cv = stats::mean(cv);
  return result;
}

}  // namespace attnbench
