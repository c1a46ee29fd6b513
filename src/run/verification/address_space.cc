#include "run/verification/address_space.h"

#include <sys/resource.h>

#include <atomic>

#include "core/system/host.h"

namespace attnbench {
namespace {

/// What a thread takes without using it: its stack and glibc's arena (128 MiB before it is trimmed).
constexpr std::int64_t kBytesPerThread = std::int64_t{160} << 20;

std::atomic<bool> g_limited = false;

void set_soft_limit(rlim_t bytes) {
  rlimit limit{};
  getrlimit(RLIMIT_AS, &limit);
  limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
  setrlimit(RLIMIT_AS, &limit);
}

}  // namespace

void limit_address_space(std::int64_t more_bytes, int threads) {
  g_limited = true;
  set_soft_limit(
      static_cast<rlim_t>(address_space_bytes(SystemFiles()) + more_bytes + threads * kBytesPerThread));
}

void unlimit_address_space() {
  g_limited = false;
  set_soft_limit(RLIM_INFINITY);
}

void move_address_space_limit(std::int64_t bytes) {
  if (!g_limited) return;
  rlimit limit{};
  getrlimit(RLIMIT_AS, &limit);
  set_soft_limit(limit.rlim_cur + static_cast<rlim_t>(bytes));
}

}  // namespace attnbench
