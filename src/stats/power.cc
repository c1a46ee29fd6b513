#include "stats/power.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "attnbench/error.h"
#include "stats/checks.h"
#include "stats/quantiles.h"

namespace attnbench::stats {
namespace {

constexpr int kMostProcesses = 1'000'000;

/// Power for a true log-ratio of `effect`.
double power_of_effect(double effect, double log_sd, int processes, double alpha) {
  const double df = processes - 1;
  const double critical = t_quantile(1 - alpha / 2, df);
  const double noncentrality = std::abs(effect) * std::sqrt(static_cast<double>(processes)) / log_sd;
  // The t statistic lies near the noncentrality; far beyond the critical value nothing is left to compute,
  // and Boost's series would not converge.
  if (noncentrality > 40 + 2 * critical) return 1;
  return noncentral_t_upper_tail(critical, df, noncentrality) +
         noncentral_t_cdf(-critical, df, noncentrality);
}

void check(double log_sd, int processes, double alpha) {
  require_positive("log_sd", std::array{log_sd});
  require_fraction("alpha", alpha);
  if (processes < 2) throw InputError("processes", fmt::format("{}", processes), "must be at least 2");
}

}  // namespace

double power_of_ratio_test(double ratio, double log_sd, int processes, double alpha) {
  require_positive("ratio", std::array{ratio});
  check(log_sd, processes, alpha);
  return power_of_effect(std::log(ratio), log_sd, processes, alpha);
}

double smallest_detectable_ratio(double log_sd, int processes, double power, double alpha) {
  check(log_sd, processes, alpha);
  require_fraction("power", power);
  if (power <= alpha) throw InputError("power", fmt::format("{}", power), "must be above alpha");
  double low = 0;
  double high = log_sd;
  while (power_of_effect(high, log_sd, processes, alpha) < power) high *= 2;
  while (high - low > 1e-10 * high) {
    const double middle = (low + high) / 2;
    (power_of_effect(middle, log_sd, processes, alpha) < power ? low : high) = middle;
  }
  return std::exp(high);
}

std::optional<int> processes_needed(double ratio, double log_sd, double power, double alpha) {
  require_positive("ratio", std::array{ratio});
  check(log_sd, 2, alpha);
  require_fraction("power", power);
  const double effect = std::log(ratio);
  if (effect == 0) throw InputError("ratio", "1", "is no difference to detect");
  const auto enough = [&](int n) { return power_of_effect(effect, log_sd, n, alpha) >= power; };
  int high = 2;
  while (!enough(high)) {
    if (high > kMostProcesses / 2) return std::nullopt;
    high *= 2;
  }
  int low = 1;
  while (high - low > 1) {
    const int middle = low + (high - low) / 2;
    (enough(middle) ? high : low) = middle;
  }
  return high;
}

}  // namespace attnbench::stats
