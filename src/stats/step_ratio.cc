#include "stats/step_ratio.h"

#include <cmath>

#include "stats/contrast.h"

namespace attnbench::stats {

std::vector<StepRatio> step_ratios(std::span<const SizePoint> log_seconds) {
  check_series(log_seconds);
  std::vector<StepRatio> steps;
  for (std::size_t i = 0; i + 1 < log_seconds.size(); ++i) {
    const auto& from = log_seconds[i];
    const auto& to = log_seconds[i + 1];
    const auto log_ratio = welch_difference(to.process_logs, from.process_logs).interval();
    const double doublings = std::log2(to.seqlen / from.seqlen);
    const Interval log_doubling{log_ratio.estimate / doublings, log_ratio.low / doublings,
                                log_ratio.high / doublings};
    steps.push_back({from.seqlen, to.seqlen, exponential(log_ratio), exponential(log_doubling)});
  }
  return steps;
}

}  // namespace attnbench::stats
