#include "stats/process_value.h"

#include <cmath>

#include "stats/checks.h"

namespace attnbench::stats {

double process_seconds(std::span<const double> block_seconds) {
  require_positive("time_seconds", block_seconds);
  return median(block_seconds);
}

double process_log_ratio(std::span<const double> baseline_blocks, std::span<const double> kernel_blocks) {
  return std::log(process_seconds(baseline_blocks)) - std::log(process_seconds(kernel_blocks));
}

Interval ratio_interval(std::span<const double> process_log_ratios) {
  return exponential(mean_interval(process_log_ratios));
}

Interval time_interval(std::span<const double> process_log_seconds) {
  auto logs = mean_interval(process_log_seconds);
  const double half_width =
      std::sqrt((1 + kSerialCorrelation) / (1 - kSerialCorrelation)) * (logs.high - logs.low) / 2;
  logs.low = logs.estimate - half_width;
  logs.high = logs.estimate + half_width;
  return exponential(logs);
}

}  // namespace attnbench::stats
