#include "run/noise/fp_state.h"

#include <atomic>
#include <cfenv>
#include <limits>

#include "core/parallel.h"

namespace attnbench {
namespace {

/// Asks by computing, since the control register differs between processors. Volatile: at run time.
bool thread_is_default() {
  const volatile float smallest_normal = std::numeric_limits<float>::min();
  const volatile float denormal = std::numeric_limits<float>::denorm_min();
  const volatile float one = 1;
  const volatile float quarter_ulp = 0x1p-25f;
  const volatile float three_quarters_ulp = 0x1.8p-24f;
  const bool keeps_results = smallest_normal / 2 != 0;
  const bool keeps_inputs = denormal * 0x1p100f != 0;
  const bool nearest =
      one + quarter_ulp == 1.0f && one + three_quarters_ulp == 1 + 0x1p-23f && -one - quarter_ulp == -1.0f;
  return keeps_results && keeps_inputs && nearest;
}

}  // namespace

void reset_fp_state(int threads) {
  parallel_for(threads, threads, [](std::int64_t, std::int64_t, int) { std::fesetenv(FE_DFL_ENV); });
}

bool fp_state_is_default(int threads) {
  std::atomic<bool> all = true;
  parallel_for(threads, threads, [&](std::int64_t, std::int64_t, int) {
    if (!thread_is_default()) all = false;
  });
  return all;
}

}  // namespace attnbench
