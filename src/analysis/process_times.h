#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "analysis/analysis.h"

namespace attnbench {

/// The valid samples of one valid process.
struct ProcessBlocks {
  int process = 0;
  /// Seconds a call by kernel id and block; the alias of the baseline under kAliasKey.
  std::map<std::string, std::map<int, double>> times;
  /// Unbatched calls by kernel id, seconds.
  std::map<std::string, std::vector<double>> unbatched;
};
inline constexpr const char* kAliasKey = "alias";

ProcessBlocks blocks_of(const ProcessRecord& process);

/// One entry a process that has times of `key`. Ratios are to `baseline`, which may be empty.
std::vector<ProcessTimes> times_of(std::span<const ProcessBlocks> processes, const std::string& baseline,
                                   const std::string& key);

/// stats::process_log_ratio of each process that has times of both, by its number, over the blocks (by
/// number) that both have. Where none is missing, the logarithm of the quotient of their `seconds`.
std::map<int, double> process_log_ratios(std::span<const ProcessTimes> of_baseline,
                                         std::span<const ProcessTimes> of_kernel);

/// The log-ratios that are there, in the order of the processes.
std::vector<double> log_ratios(std::span<const ProcessTimes> times);
/// Of each process, seconds and their logarithm.
std::vector<double> process_seconds(std::span<const ProcessTimes> times);
std::vector<double> log_seconds(std::span<const ProcessTimes> times);

/// Nothing without calls.
std::optional<UnbatchedTimes> unbatched_times(std::span<const ProcessBlocks> processes,
                                              const std::string& kernel_id);

}  // namespace attnbench
