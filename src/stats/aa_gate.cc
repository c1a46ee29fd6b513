#include "stats/aa_gate.h"

#include <cmath>

#include "stats/contrast.h"
#include "stats/equivalence.h"
#include "stats/holm.h"
#include "stats/modes.h"
#include "stats/quantiles.h"

namespace attnbench::stats {

std::vector<AaCheck> check_aa(std::span<const std::vector<double>> process_log_ratios,
                              std::optional<double> margin_ratio) {
  constexpr double kEquivalenceError = 0.05;
  std::vector<AaCheck> checks;
  std::vector<double> p_values;
  for (const auto& logs : process_log_ratios) {
    const auto log_ratio = estimate(sample_mean(logs));
    p_values.push_back(log_ratio.two_sided_p());
    AaCheck check;
    check.ratio = exponential(process_interval(logs));
    check.modes = has_modes(logs);
    check.deciding = check.ratio;
    if (!check.modes && std::isfinite(log_ratio.standard_error)) {
      const double half = t_quantile(1 - kEquivalenceError, log_ratio.df) * log_ratio.standard_error;
      check.deciding = exponential({log_ratio.value, log_ratio.value - half, log_ratio.value + half});
    }
    check.margin_ratio = margin_ratio.value_or(equivalence_margin(logs.size()));
    const bool within = check.ratio.low >= 1 / check.margin_ratio && check.ratio.high <= check.margin_ratio;
    check.equivalent =
        equivalence_p(log_ratio, check.margin_ratio) <= kEquivalenceError && (within || !check.modes);
    checks.push_back(check);
  }
  const auto adjusted = holm(p_values);
  for (std::size_t i = 0; i < checks.size(); ++i) {
    checks[i].p_adjusted = adjusted[i];
    const bool is_off = std::abs(std::log(checks[i].ratio.estimate)) > std::log(kAaGateRatio);
    checks[i].fails_gate = is_off && adjusted[i] <= kAaGateError;
  }
  return checks;
}

}  // namespace attnbench::stats
