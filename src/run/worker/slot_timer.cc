#include "run/worker/slot_timer.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "stats/intervals.h"

namespace attnbench {
namespace {

bool agree(double a, double b, double tolerance) { return std::abs(a - b) <= tolerance * std::min(a, b); }

}  // namespace

std::int64_t batch_calls_for(double call_seconds, const TimingRules& rules) {
  if (!(call_seconds > 0)) return 1;
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(rules.batch_seconds / call_seconds)));
}

int prime(const Calls& calls, const TimingRules& rules) {
  double previous = calls(1);
  int made = 1;
  if (previous > rules.priming_single_call_seconds) return made;
  while (made < rules.priming_limit_calls) {
    const double current = calls(1);
    ++made;
    if (agree(previous, current, rules.priming_agreement)) break;
    previous = current;
  }
  return made;
}

WarmUp warm_up(const Calls& calls, int limit_calls, double limit_seconds, const TimingRules& rules) {
  WarmUp result;
  std::vector<double> times;
  while (result.calls < limit_calls && result.seconds < limit_seconds) {
    times.push_back(calls(1));
    result.seconds += times.back();
    ++result.calls;
    if (result.calls % rules.warmup_window == 0 && result.calls >= 2 * rules.warmup_window) {
      const auto window = static_cast<std::size_t>(rules.warmup_window);
      const std::span latest(times.end() - 2 * rules.warmup_window, 2 * window);
      const double last = stats::median(latest.last(window));
      const double before = stats::median(latest.first(window));
      if (agree(last, before, rules.warmup_agreement)) {
        result.settled = true;
        break;
      }
    }
  }
  return result;
}

}  // namespace attnbench
