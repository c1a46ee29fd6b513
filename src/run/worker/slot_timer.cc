#include "run/worker/slot_timer.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace attnbench {
namespace {

bool agree(double a, double b, double tolerance) { return std::abs(a - b) <= tolerance * std::min(a, b); }

double median_of_window(std::vector<double>::const_iterator begin, int size) {
  std::vector<double> window(begin, begin + size);
  std::nth_element(window.begin(), window.begin() + size / 2, window.end());
  return window[static_cast<std::size_t>(size / 2)];
}

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
      const double last = median_of_window(times.end() - rules.warmup_window, rules.warmup_window);
      const double before = median_of_window(times.end() - 2 * rules.warmup_window, rules.warmup_window);
      if (agree(last, before, rules.warmup_agreement)) {
        result.settled = true;
        break;
      }
    }
  }
  return result;
}

}  // namespace attnbench
