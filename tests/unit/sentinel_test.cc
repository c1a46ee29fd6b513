#include "run/noise/sentinel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cfenv>
#include <cstdint>

#include "attnbench/cpu_device.h"
#include "core/parallel.h"
#include "engines/cpu/cache_evictor.h"
#include "run/noise/fp_state.h"
#include "run/noise/layout_noise.h"

#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

namespace attnbench {
namespace {

TEST(Sentinel, TakesTimeOnAnyNumberOfThreads) {
  for (const int threads : {1, 2, 3}) {
    Sentinel sentinel(threads);
    EXPECT_GT(sentinel.run_seconds(), 0);
  }
}

TEST(FpState, RoundingModeIsSeenAndReset) {
  for (const int mode : {FE_UPWARD, FE_DOWNWARD, FE_TOWARDZERO}) {
    std::fesetround(mode);
    EXPECT_FALSE(fp_state_is_default(1)) << mode;
    reset_fp_state(1);
    EXPECT_TRUE(fp_state_is_default(1));
  }
}

#if defined(__SSE2__)
TEST(FpState, FlushedDenormalsAreSeenAndReset) {
  constexpr unsigned kFlushResults = 0x8000;
  constexpr unsigned kFlushInputs = 0x0040;
  for (const unsigned flag : {kFlushResults, kFlushInputs}) {
    _mm_setcsr(_mm_getcsr() | flag);
    EXPECT_FALSE(fp_state_is_default(1)) << flag;
    reset_fp_state(1);
    EXPECT_TRUE(fp_state_is_default(1));
    EXPECT_EQ(_mm_getcsr() & 0xffc0u, 0x1f80u);
  }
}
#endif

TEST(FpState, EveryThreadOfThePoolIsAsked) {
  parallel_for(2, 2, [](std::int64_t, std::int64_t, int thread) {
    if (thread == 1) std::fesetround(FE_UPWARD);
  });
  EXPECT_TRUE(fp_state_is_default(1));
  EXPECT_FALSE(fp_state_is_default(2));
  reset_fp_state(2);
  EXPECT_TRUE(fp_state_is_default(2));
}

TEST(CacheEvictor, SweepsTwiceTheDefaultWhereCachesAreNotReadable) {
  CpuDevice device;
  device.cpus = {0};
  CacheEvictor evictor(device, SystemFiles("/nonexistent"));
  EXPECT_EQ(evictor.bytes(), 128 << 20);
  evictor.evict();
}

TEST(LayoutNoise, IsDrawnFromTheSeed) {
  const LayoutNoise first(1);
  const LayoutNoise same(1);
  const LayoutNoise other(2);
  EXPECT_EQ(first.heap_bytes(), same.heap_bytes());
  EXPECT_EQ(first.stack_bytes(), same.stack_bytes());
  EXPECT_NE(first.heap_bytes(), other.heap_bytes());
  EXPECT_NE(first.stack_bytes(), other.stack_bytes());
}

TEST(LayoutNoise, MovesTheStack) {
  const auto address_under = [](const LayoutNoise& noise) {
    std::uintptr_t address = 0;
    noise.run([&address] { address = reinterpret_cast<std::uintptr_t>(__builtin_frame_address(0)); });
    return static_cast<std::int64_t>(address);
  };
  const LayoutNoise first(1);
  const LayoutNoise other(2);
  EXPECT_EQ(address_under(first) - address_under(other), other.stack_bytes() - first.stack_bytes());
}

}  // namespace
}  // namespace attnbench
