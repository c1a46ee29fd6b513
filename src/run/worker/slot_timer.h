#pragma once

#include <cstdint>
#include <functional>

#include "plan/study.h"

namespace attnbench {

/// Constants of the timing method (docs/methodology.md, "Timing").
struct TimingRules {
  double priming_agreement = 0.02;  ///< two successive untimed calls this close end the priming
  int priming_limit_calls = kMaxPrimingCalls;
  double priming_single_call_seconds = kOnePrimingCallAboveSeconds;  ///< one untimed call suffices above this
  double batch_seconds = kBatchSeconds;                              ///< a batch lasts at least this long
  int warmup_window = 5;
  double warmup_agreement = 0.01;  ///< medians of the last two windows this close end the warm-up
};

/// Makes so many calls of the kernel under test and returns the seconds all of them took.
using Calls = std::function<double(std::int64_t)>;

/// Calls in a batch so that it lasts at least rules.batch_seconds.
std::int64_t batch_calls_for(double call_seconds, const TimingRules& rules);

/// Untimed calls until two successive ones agree; returns how many were made.
int prime(const Calls& calls, const TimingRules& rules);

struct WarmUp {
  int calls = 0;
  double seconds = 0;
  bool settled = false;  ///< false: ended by a limit, flagged in the results
};
WarmUp warm_up(const Calls& calls, int limit_calls, double limit_seconds, const TimingRules& rules);

}  // namespace attnbench
