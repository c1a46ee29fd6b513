// What macOS tells when it is asked, on whatever Mac this runs: that it answers, and in the form that the
// texts of apple_values_test.cc have. Written from Apple's headers and documentation.
#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "attnbench/cpu_device.h"
#include "core/system/apple_values.h"
#include "core/system/host.h"
#include "core/system/topology.h"
#include "run/conductor/keep_awake.h"
#include "run/environment/executable.h"
#include "run/noise/apple_noise.h"
#include "run/verification/peak_memory.h"

namespace attnbench {
namespace {

const SystemFiles kMac;

TEST(ToldByMacOS, ChipMemoryAndSystem) {
  EXPECT_THAT(cpu_info(kMac).model, testing::StartsWith("Apple"));
  EXPECT_GE(memory_bytes(kMac).value_or(0), std::int64_t{1} << 32);
  EXPECT_GT(free_memory_bytes(kMac).value_or(0), 0);
  EXPECT_LE(free_memory_bytes(kMac).value_or(0), memory_bytes(kMac).value_or(0));
  EXPECT_THAT(system_name(kMac).value_or(""), testing::StartsWith("macOS "));
  EXPECT_EQ(apple::number(kMac, "hw.pagesize"), sysconf(_SC_PAGESIZE));
  EXPECT_GT(address_space_bytes(kMac), 0);
  EXPECT_FALSE(apple::number(kMac, "hw.no_such_name"));
}

TEST(ToldByMacOS, KindsOfCores) {
  const auto levels = apple::perf_levels(kMac);
  ASSERT_FALSE(levels.empty());
  int cpus = 0;
  for (const auto& level : levels) {
    EXPECT_FALSE(level.name.empty());
    EXPECT_GT(level.l2_bytes, 0) << level.name;
    cpus += level.logical;
  }
  EXPECT_EQ(cpus, sysconf(_SC_NPROCESSORS_CONF));
  EXPECT_EQ(cpu_device(0).threads, levels[0].physical) << "as many as performance cores";
}

TEST(ToldByMacOS, Features) {
  EXPECT_TRUE(cpu_features().neon);
  EXPECT_TRUE(apple::number(kMac, "hw.optional.arm.FEAT_FHM"));
  EXPECT_EQ(cpu_features().neon_fhm, apple::number(kMac, "hw.optional.arm.FEAT_FHM") == 1);
  EXPECT_TRUE(apple::number(kMac, "hw.optional.arm.FEAT_BF16"));
  EXPECT_EQ(cpu_features().neon_bf16, apple::number(kMac, "hw.optional.arm.FEAT_BF16") == 1);
}

TEST(ToldByMacOS, NoiseOfAMoment) {
  const auto probe = probe_apple(kMac);
  EXPECT_GT(probe.busy_seconds.value_or(0), 0);
  EXPECT_GT(probe.own_seconds.value_or(0), 0);
  EXPECT_TRUE(probe.performance_seconds);
  EXPECT_TRUE(apple::thermal_state_name(probe.thermal_state.value_or(-1)));
  EXPECT_TRUE(probe.low_power_mode);
}

TEST(ToldByMacOS, OtherProcesses) {
  const auto lines = kMac.read(apple::kProcesses).value_or("");
  EXPECT_NE(("\n" + lines).find("\n" + std::to_string(getpid()) + " "), std::string::npos);
}

TEST(ToldByMacOS, ThisProgram) {
  EXPECT_THAT(build_id(), testing::MatchesRegex("[0-9a-f]+"));
  EXPECT_EQ(build_id().size(), 32U);
  EXPECT_TRUE(std::filesystem::equivalent(own_path(), own_program()));
  EXPECT_EQ(std::filesystem::path(own_path()).filename(), "unit_tests");
}

TEST(ToldByMacOS, PeakMemoryRisesWithWhatIsTouched) {
  const auto peak = apple::value_in(kMac.read(apple::kOwnUsage).value_or(""), "peak_footprint");
  ASSERT_TRUE(peak);
  const auto bytes = static_cast<std::size_t>(*peak) + (std::size_t{64} << 20);
  const auto growth = peak_growth_bytes([bytes] {
    const std::string touched(bytes, 'x');
    asm volatile("" : : "r"(touched.data()) : "memory");
  });
  EXPECT_GE(growth.value_or(0), static_cast<std::int64_t>(bytes));
}

TEST(ToldByMacOS, SleepCanBeHeldOff) { keep_awake(); }

}  // namespace
}  // namespace attnbench
