#include "analysis/process_times.h"

#include <algorithm>
#include <cmath>

#include "stats/process_value.h"

namespace attnbench {
namespace {

/// Blocks by their number, seconds.
using Blocks = std::map<int, double>;

/// Over the blocks that both have.
std::optional<double> log_ratio(const Blocks& baseline, const Blocks& kernel) {
  std::vector<double> of_baseline, of_kernel;
  for (const auto& [block, seconds] : kernel) {
    const auto other = baseline.find(block);
    if (other == baseline.end()) continue;
    of_baseline.push_back(other->second);
    of_kernel.push_back(seconds);
  }
  if (of_kernel.empty()) return std::nullopt;
  return stats::process_log_ratio(of_baseline, of_kernel);
}

Blocks blocks_by_number(const ProcessTimes& times) {
  Blocks blocks;
  for (std::size_t i = 0; i < times.blocks.size(); ++i) blocks[times.block_numbers[i]] = times.blocks[i];
  return blocks;
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
    times.seconds = stats::process_seconds(times.blocks);
    times.mean_seconds = stats::mean(times.blocks);
    if (const auto other = process.times.find(baseline); other != process.times.end())
      times.log_ratio = log_ratio(other->second, found->second);
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

std::map<int, double> process_log_ratios(std::span<const ProcessTimes> of_baseline,
                                         std::span<const ProcessTimes> of_kernel) {
  std::map<int, double> logs;
  for (const auto& kernel : of_kernel) {
    const auto baseline = std::find_if(of_baseline.begin(), of_baseline.end(),
                                       [&](const auto& other) { return other.process == kernel.process; });
    if (baseline == of_baseline.end()) continue;
    if (const auto log = log_ratio(blocks_by_number(*baseline), blocks_by_number(kernel)))
      logs[kernel.process] = *log;
  }
  return logs;
}

std::vector<double> process_seconds(std::span<const ProcessTimes> times) {
  std::vector<double> seconds;
  for (const auto& process : times) seconds.push_back(process.seconds);
  return seconds;
}

std::vector<double> log_seconds(std::span<const ProcessTimes> times) {
  auto logs = process_seconds(times);
  for (double& value : logs) value = std::log(value);
  return logs;
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
