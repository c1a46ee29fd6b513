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

double time_call(Queue& queue, const Call& call) { return time_batch(queue, call, 1); }

double time_batch(Queue& queue, const Call& call, std::int64_t calls) {
  queue.begin_timing();
  for (std::int64_t i = 0; i < calls; ++i) call();
  return queue.end_timing_seconds() / static_cast<double>(calls);
}

int prime(Queue& queue, const Call& call, const TimingRules& rules) {
  double previous = time_call(queue, call);
  int made = 1;
  if (previous > rules.priming_single_call_seconds) return made;
  while (made < rules.priming_limit_calls) {
    const double current = time_call(queue, call);
    ++made;
    if (agree(previous, current, rules.priming_agreement)) break;
    previous = current;
  }
  return made;
}

WarmUp warm_up(Queue& queue, const Call& call, int limit_calls, double limit_seconds,
               const TimingRules& rules) {
  WarmUp result;
  std::vector<double> times;
  while (result.calls < limit_calls && result.seconds < limit_seconds) {
    times.push_back(time_call(queue, call));
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
