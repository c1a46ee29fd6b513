#include "run/ceilings/ceilings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "attnbench/cpu_device.h"
#include "attnbench/error.h"
#include "core/buffer.h"
#include "engines/cpu/ceilings/loops.h"
#include "engines/cpu/ceilings/thread_rates.h"
#include "io/json.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing::Not;

Ceilings zen4() {
  Ceilings c;
  c.threads = 2;
  c.compute = {{"mul+add", "sse", DType::f32, 60e9},
               {"fma", "avx512", DType::f32, 115e9},
               {"vdpbf16ps", "avx512", DType::bf16, 232e9}};
  c.bandwidth = {{1 << 14, 80e9, 90e9}, {1 << 20, 100e9, 70e9}, {1 << 26, 30e9, 40e9}};
  return c;
}

TEST(Ceilings, TheGreatestUsableUnitCounts) {
  auto c = zen4();
  EXPECT_EQ(compute_ceiling_flops(c, DType::f32), 115e9);
  EXPECT_EQ(compute_ceiling_flops(c, DType::bf16), 232e9);
  EXPECT_EQ(compute_ceiling_flops(c, DType::f16), 115e9);
  c.compute[2].flops_per_second = 86e9;  // a CPU on which vdpbf16ps is slower than FMA
  EXPECT_EQ(compute_ceiling_flops(c, DType::bf16), 115e9);
  EXPECT_EQ(compute_ceiling_flops({}, DType::f32), 0);
}

TEST(Ceilings, BandwidthIsNeverUnderestimated) {
  const auto c = zen4();
  EXPECT_EQ(bandwidth_ceiling(c, 1e9), 40e9);             // past the largest set: that set's best
  EXPECT_EQ(bandwidth_ceiling(c, 1 << 26), 40e9);         // exactly one
  EXPECT_EQ(bandwidth_ceiling(c, (1 << 26) - 1), 100e9);  // just below: the next smaller set
  EXPECT_EQ(bandwidth_ceiling(c, 1 << 15), 100e9);        // a larger set was faster than the smaller one
  EXPECT_EQ(bandwidth_ceiling(c, 100), 100e9);            // below the smallest set
}

TEST(Ceilings, ImpossibleOnBothSidesOfTheLimit) {
  const auto c = zen4();
  EXPECT_EQ(impossible(c, 1.09 * 115e9, 0, 1, DType::f32), std::nullopt);
  EXPECT_THAT(impossible(c, 1.11 * 115e9, 0, 1, DType::f32).value(),
              HasSubstr("1.11 x the measured f32 ceiling"));
  EXPECT_EQ(impossible(c, 1.11 * 115e9, 0, 1, DType::bf16), std::nullopt);
  EXPECT_EQ(impossible(c, 1.09 * 115e9, 0, 1, DType::f16), std::nullopt);
  EXPECT_NE(impossible(c, 1.11 * 115e9, 0, 1, DType::f16), std::nullopt);  // widened to f32, not bf16's rate
  EXPECT_EQ(impossible(c, 0, 1e9, 1e9 / (1.09 * 40e9), DType::f32), std::nullopt);
  EXPECT_THAT(impossible(c, 0, 1e9, 1e9 / (1.11 * 40e9), DType::f32).value(),
              HasSubstr("44.4 GB/s is 1.11 x"));
  EXPECT_NE(impossible(c, 1, 0, 0, DType::f32), std::nullopt);
  // Whoever shows it says IMPOSSIBLE before it.
  EXPECT_THAT(impossible(c, 1.11 * 115e9, 0, 1, DType::f32).value(), Not(HasSubstr("impossible")));
  EXPECT_THAT(impossible(c, 0, 1e9, 1e9 / (1.11 * 40e9), DType::f32).value(), Not(HasSubstr("impossible")));
}

TEST(Ceilings, JsonRoundTrip) {
  const auto c = zen4();
  const auto back = ceilings_from_json(nlohmann::json::parse(to_json(c).dump()));
  EXPECT_EQ(to_json(back), to_json(c));
  EXPECT_EQ(back.compute[2].unit, "vdpbf16ps");
  EXPECT_EQ(back.bandwidth[1].copy_bytes_per_second, 70e9);
  auto broken = to_json(c);
  broken["bandwidth"][0].erase("bytes");
  EXPECT_THROW(ceilings_from_json(broken), InputError);
}

// Accumulators x lanes x 2 for a multiply and an add, x 2 for pairs of bf16; a tile has 16 x 16 sums of 32
// products. That the loops hold so many instructions is read from their machine code:
// tests/rules/ceiling_loops_test.sh.
TEST(Ceilings, EveryComputeLoopOfThisCpuEndsAndCountsItsOperations) {
  const std::map<std::pair<std::string, std::string>, double> operations = {
      {{"mul+add", "sse"}, 14 * 4 * 2},
      {{"fma", "avx2"}, 14 * 8 * 2},
      {{"fma", "avx512"}, 24 * 16 * 2},
      {{"vdpbf16ps", "avx512"}, 24 * 16 * 2 * 2},
      {{"tdpbf16ps", "amx"}, 4 * (16 * 16) * 32 * 2},
      {{"mul+add", "portable"}, 24 * 4 * 2},
      {{"bfmmla", "neonbf16"}, 24 * 4 * 4 * 2},
      {{"fmlal", "neonf16"}, 24 * 4 * 2}};
  const auto loops = compute_loops(cpu_features());
  ASSERT_FALSE(loops.empty());
  for (const auto& loop : loops) {
    loop.run(3);
    EXPECT_EQ(loop.flops_per_iteration, operations.at({loop.unit, loop.path})) << loop.unit;
  }
}

TEST(Ceilings, MemoryLoopsOfEveryWidthCopyExactly) {
  CpuFeatures none;
  CpuFeatures avx2;
  avx2.avx2 = cpu_features().avx2;
  for (const auto& features : {none, avx2, cpu_features()}) {
    const auto loops = memory_loops(features);
    for (const auto copy : {loops.copy, loops.stream}) {
      constexpr std::int64_t kBytes = 3 * kMemoryLoopBytes;
      const Buffer source(kBytes);
      const Buffer target(kBytes + 64);
      for (int i = 0; i < kBytes; ++i) source.as<char>()[i] = static_cast<char>(i * 7);
      std::memset(target.data(), 0x55, kBytes + 64);
      loops.read(source.as<std::byte>(), kBytes);
      copy(target.as<std::byte>(), source.as<std::byte>(), kBytes);
      EXPECT_EQ(std::memcmp(source.data(), target.data(), kBytes), 0);
      EXPECT_EQ(target.as<char>()[kBytes], 0x55);
    }
  }
}

TEST(Ceilings, EachThreadsBestWindowCounts) {
  // Thread 0: 10 a second, stalled in [2, 3]. Thread 1: from 1 on, 20 a second, then 40 in [3, 4].
  const std::vector<std::vector<ThreadProgress>> logs = {{{0, 0}, {1, 10}, {2, 20}, {3, 20}, {4, 30}},
                                                         {{1, 0}, {2, 20}, {3, 40}, {4, 80}}};
  EXPECT_DOUBLE_EQ(sum_of_best_rates(logs, 1), 10 + 40);
  EXPECT_DOUBLE_EQ(sum_of_best_rates(logs, 0.5), 10 + 40);      // interpolates inside a chunk
  EXPECT_DOUBLE_EQ(sum_of_best_rates(logs, 2), 10.0 / 2 + 30);  // [1, 3] or [2, 4]; [2, 4]
  EXPECT_DOUBLE_EQ(sum_of_best_rates(logs, 3), 20.0 / 3 + 80.0 / 3);
}

TEST(Ceilings, TimeInWhichAThreadWasAloneDoesNotCount) {
  const std::vector<std::vector<ThreadProgress>> logs = {{{0, 0}, {1, 100}, {2, 110}},
                                                         {{1, 0}, {2, 10}, {3, 110}}};
  EXPECT_DOUBLE_EQ(sum_of_best_rates(logs, 1), 10 + 10);
}

TEST(Ceilings, ThreadsThatNeverOverlapGiveTheirMeans) {
  const std::vector<std::vector<ThreadProgress>> logs = {{{0, 0}, {1, 10}}, {{3, 0}, {5, 40}}};
  EXPECT_DOUBLE_EQ(sum_of_best_rates(logs, 0.1), 10 + 20);
}

TEST(Ceilings, MeasuringRunsEveryThread) {
  const auto loop = compute_loops(cpu_features())[0];
  std::atomic<std::int64_t> work[2] = {0, 0};
  const auto rate = measure_thread_rates(2, 0.005, [&](int thread, std::int64_t repeats) {
    loop.run(repeats);
    work[thread] += repeats;
  });
  EXPECT_GT(work[0], 0);
  EXPECT_GT(work[1], 0);
  EXPECT_GT(rate, 0);
}

}  // namespace
}  // namespace attnbench
