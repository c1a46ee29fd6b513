#include "core/system/apple_values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <nlohmann/json.hpp>

#include "core/system/host.h"
#include "core/system/topology.h"
#include "run/environment/advice.h"
#include "run/environment/environment.h"
#include "run/environment/identity.h"
#include "run/environment/page.h"
#include "run/noise/apple_noise.h"
#include "run/noise/consumers.h"
#include "run/noise/noise.h"
#include "support/fake_system.h"

namespace attnbench {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

using testing_support::FakeSystem;

/// An M4 with four performance and six efficiency cores, by sysctl(3), libproc.h, host_info.h and the
/// documentation of NSProcessInfo. Not seen on a Mac.
class AppleSystem : public testing::Test {
 protected:
  AppleSystem() {
    text("machdep.cpu.brand_string", "Apple M4");
    text("hw.model", "Mac16,1");
    text("kern.osproductversion", "15.1");
    text("kern.osversion", "24B83");
    text("kern.bootsessionuuid", "6F9619FF-8B86-D011-B42D-00CF4FC964FF");
    number("hw.memsize", "17179869184");
    number("hw.pagesize", "16384");
    number("hw.nperflevels", "2");
    level(0, "Performance", "4", "196608", "131072", "16777216", "4");
    level(1, "Efficiency", "6", "131072", "65536", "4194304", "6");
    number("hw.optional.arm.FEAT_BF16", "1");
    number("hw.optional.arm.FEAT_SME2", "0");
    number("kern.hv_vmm_present", "0");
    system.write(apple::kTimebase, "numerator 125\ndenominator 3\n");
  }

  void text(const std::string& name, const std::string& value) {
    system.write(std::string(apple::kTexts) + name, value);
  }
  void number(const std::string& name, const std::string& value) {
    system.write(std::string(apple::kNumbers) + name, value);
  }
  void level(int n, const char* name, const char* cpus, const char* instructions, const char* data,
             const char* second, const char* per_second) {
    const auto prefix = "hw.perflevel" + std::to_string(n) + ".";
    text(prefix + "name", name);
    number(prefix + "physicalcpu", cpus);
    number(prefix + "logicalcpu", cpus);
    number(prefix + "l1icachesize", instructions);
    number(prefix + "l1dcachesize", data);
    number(prefix + "l2cachesize", second);
    number(prefix + "cpusperl2", per_second);
  }

  FakeSystem system;
  SystemFiles files = system.files();
};

TEST(AppleValues, SysctlBytesAreIntegersOfTwoSizes) {
  const std::array<unsigned char, 8> bytes{0x00, 0x40, 0, 0, 1, 0, 0, 0};
  EXPECT_EQ(apple::number_of_sysctl(std::span(bytes).first(4)), "16384");
  EXPECT_EQ(apple::number_of_sysctl(bytes), "4294983680");
  const std::array<unsigned char, 4> minus_one{255, 255, 255, 255};
  EXPECT_EQ(apple::number_of_sysctl(minus_one), "-1");
  EXPECT_EQ(apple::number_of_sysctl(std::span(bytes).first(3)), std::nullopt);
  EXPECT_EQ(apple::number_of_sysctl({}), std::nullopt);
}

TEST(AppleValues, ThermalStatesHaveApplesNames) {
  EXPECT_EQ(apple::thermal_state_name(0), "nominal");
  EXPECT_EQ(apple::thermal_state_name(3), "critical");
  EXPECT_EQ(apple::thermal_state_name(4), std::nullopt);
  EXPECT_EQ(apple::thermal_state_name(-1), std::nullopt);
}

TEST_F(AppleSystem, KindsOfCores) {
  const auto levels = apple::perf_levels(files);
  ASSERT_EQ(levels.size(), 2u);
  EXPECT_EQ(levels[0].name, "Performance");
  EXPECT_EQ(levels[1].physical, 6);
  EXPECT_EQ(levels[1].l2_bytes, 4 << 20);
  EXPECT_EQ(online_cpus(files), (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_TRUE(is_fastest_kind(files, 3));
  EXPECT_FALSE(is_fastest_kind(files, 4));
  EXPECT_FALSE(is_fastest_kind(files, 10));
  EXPECT_EQ(apple::level_of(levels, -1), std::nullopt);
  const auto cores = cores_of(files, online_cpus(files)).value();
  EXPECT_EQ(cores.packages, 1);
  EXPECT_EQ(cores.physical, 10);
}

TEST_F(AppleSystem, NonsenseAboutCoresIsNoAnswer) {
  for (const auto* bad : {"0", "-1", "99", "two", "9223372036854775808"}) {
    number("hw.nperflevels", bad);
    EXPECT_THAT(apple::perf_levels(files), IsEmpty()) << bad;
    EXPECT_THAT(online_cpus(files), IsEmpty()) << bad;
  }
  number("hw.nperflevels", "3");  // of a third nothing is told
  EXPECT_THAT(apple::perf_levels(files), IsEmpty());
  number("hw.nperflevels", "2");
  number("hw.perflevel1.logicalcpu", "5");  // fewer than its cores
  EXPECT_THAT(apple::perf_levels(files), IsEmpty());
}

TEST_F(AppleSystem, CachesAreThoseOfACluster) {
  const auto caches = caches_of(files, 5);
  ASSERT_EQ(caches.size(), 3u);
  EXPECT_EQ(caches[0].bytes, 65536);
  EXPECT_THAT(caches[0].cpus, ElementsAre(5));
  EXPECT_EQ(caches[1].type, "Instruction");
  EXPECT_EQ(caches[2].level, 2);
  EXPECT_THAT(caches[2].cpus, ElementsAre(4, 5, 6, 7, 8, 9));
  EXPECT_THAT(caches_of(files, 10), IsEmpty());
  EXPECT_EQ(last_level_cache_bytes(files, {0, 1, 2, 3}), 16 << 20);
  EXPECT_EQ(last_level_cache_bytes(files, {0, 4}), 20 << 20);
  EXPECT_EQ(assumed_cache_bytes(files), 96 << 20);
  number("hw.perflevel0.cpusperl2", "3");  // the fourth core is alone in a second cluster
  EXPECT_THAT(caches_of(files, 2).back().cpus, ElementsAre(0, 1, 2));
  EXPECT_THAT(caches_of(files, 3).back().cpus, ElementsAre(3));
  number("hw.perflevel0.cpusperl2", "0");
  EXPECT_THAT(caches_of(files, 3).back().cpus, ElementsAre(3));
}

TEST(Topology, NothingIsAssumedWhereCachesAreTold) {
  const FakeSystem linux_system;
  EXPECT_EQ(assumed_cache_bytes(linux_system.files()), 0);
  EXPECT_TRUE(is_fastest_kind(linux_system.files(), 7));
}

TEST_F(AppleSystem, Environment) {
  const auto environment = probe_environment("unknown", files);
  const auto& cpu = environment.at("cpu");
  EXPECT_EQ(cpu.at("vendor"), "Apple");
  EXPECT_EQ(cpu.at("model"), "Apple M4");
  EXPECT_EQ(cpu.at("model_number"), "Mac16,1");
  EXPECT_EQ(cpu.at("flags"), json({"FEAT_BF16"}));
  EXPECT_EQ(cpu.at("logical_cpus"), 10);
  EXPECT_EQ(cpu.at("hypervisor"), "none seen");
  EXPECT_EQ(cpu.at("core_kinds").at(1), json({{"name", "Efficiency"},
                                              {"physical_cores", 6},
                                              {"logical_cpus", 6},
                                              {"l2_bytes", 4 << 20},
                                              {"cpus_per_l2", 6}}));
  EXPECT_EQ(environment.at("memory").at("total_bytes"), 17179869184);
  EXPECT_EQ(environment.at("memory").at("page_bytes"), 16384);
  EXPECT_EQ(environment.at("os").at("name"), "macOS 15.1 (24B83)");
  EXPECT_EQ(boot_id(files), "6F9619FF-8B86-D011-B42D-00CF4FC964FF");
  number("kern.hv_vmm_present", "1");
  EXPECT_EQ(probe_environment("unknown", files).at("cpu").at("hypervisor"), "yes");
}

TEST_F(AppleSystem, PageForAReportOfAFault) {
  const json noise = {{"wall_seconds", 1.0},
                      {"steal_share", "not readable"},
                      {"pressure_share", "not readable"},
                      {"throttled_periods", "not readable"},
                      {"sentinel_drift", 0.012},
                      {"involuntary_switches", 3},
                      {"voluntary_switches", 1},
                      {"others_cpu_seconds", 0.25},
                      {"thermal_state", "fair"},
                      {"low_power_mode", true},
                      {"efficiency_core_share", 0.031},
                      {"clock_mhz_start", "not readable"},
                      {"clock_mhz_end", "not readable"},
                      {"consumers", {{{"name", "Private App"}}}}};
  const json engines = {
      {"kernels", {{"cpu", 20}}},
      {"paths", {{"bf16", {"neonbf16", "portable"}}, {"f32", {"portable"}}}},
      {"devices", {"cpu"}},
      {"missing_devices", json::array()},
      {"missing_engines", {{{"engine", "mlx"}, {"reason", "not found in /Users/ann/wheels/mlx"}}}}};
  const auto page =
      issue_page("0123456789abcdef", probe_environment("abc123-dirty", files), noise, engines, {"ann"});
  for (const auto* line :
       {"```\nMachine 0123456789abcdef\n\nCPU\n",
        "  model                Apple M4 (Apple, family not readable, model Mac16,1,",
        "  flags                FEAT_BF16\n", "  Performance cores    4, L2 16 MiB for 4 CPUs each\n",
        "  Efficiency cores     6, L2 4 MiB for 6 CPUs each\n", "  governor             not readable\n",
        "  hypervisor           none seen\n", "  memory               16.0 GiB\n",
        "  page                 16 KiB\n", "  system               macOS 15.1 (24B83)\n",
        "  commit               abc123-dirty\n", "  thermal state        fair\n",
        "  low power mode       on\n", "  efficiency cores     3.1 % of the CPU time\n",
        "  cpu                  20 kernels\n", "  paths for bf16       neonbf16 portable\n",
        "  mlx                  not built: not found in mlx\n```\n"})
    EXPECT_THAT(page, HasSubstr(line));
  for (const auto* hidden : {"ann", "/Users", "Private App", "6F9619FF"})
    EXPECT_THAT(page, testing::Not(HasSubstr(hidden)));
  EXPECT_TRUE(page.ends_with("tools/pack_store.sh STORE\n"));
}

TEST_F(AppleSystem, MachineKeyFollowsTheChip) {
  const auto key = machine_key(files);
  text("kern.osproductversion", "15.2");
  EXPECT_EQ(machine_key(files), key);
  level(0, "Performance", "3", "196608", "131072", "16777216", "3");
  EXPECT_NE(machine_key(files), key);
}

TEST_F(AppleSystem, FreeMemory) {
  EXPECT_EQ(free_memory_bytes(files), std::nullopt);
  system.write(apple::kMemoryPages, "page_size 16384\nfree 1000\ninactive 500\npurgeable 24\n");
  EXPECT_EQ(free_memory_bytes(files), 1524 * 16384);
  system.write(apple::kMemoryPages, "page_size 16384\nfree 9223372\ninactive 500\n");
  EXPECT_EQ(free_memory_bytes(files), 17179869184);  // no more than there is
  for (const auto* bad :
       {"page_size 0\nfree 1\n", "page_size 16384\nfree -1\n", "free 1\n", "page_size 16384\n"}) {
    system.write(apple::kMemoryPages, bad);
    EXPECT_EQ(free_memory_bytes(files), std::nullopt) << bad;
  }
}

TEST_F(AppleSystem, AddressSpace) {
  EXPECT_EQ(address_space_bytes(files), 0);
  system.write(apple::kAddressSpace, "421018337280");
  EXPECT_EQ(address_space_bytes(files), 421018337280);
}

TEST_F(AppleSystem, ProcessesInSecondsOfTheTimebase) {
  // 24,000,000 units of 125/3 ns are a second.
  system.write(apple::kProcesses, apple::process_line(77, 36'000'000, 12'000'000, "Google Chrome He") +
                                      apple::process_line(78, 0, 0, "two\nlines") + "79 x 1 bad\n80 1\n");
  const auto processes = cpu_of_processes(files);
  ASSERT_EQ(processes.size(), 2u);
  EXPECT_EQ(processes.at(77).name, "Google Chrome He");
  EXPECT_DOUBLE_EQ(processes.at(77).cpu_seconds, 2);
  EXPECT_EQ(processes.at(78).name, "two?lines");
  system.write(apple::kTimebase, "numerator 1\ndenominator 0\n");
  EXPECT_THAT(cpu_of_processes(files), IsEmpty());
}

TEST_F(AppleSystem, NoiseOfAMac) {
  system.write(apple::kCpuTicks, "cpu0 100 20 1000 0\ncpu1 50 10 2000 5\n");
  system.write(
      apple::kOwnUsage,
      "user_time 24000000\nsystem_time 0\nperformance_user_time 24000000\nperformance_system_time 0\n");
  system.write(apple::kThermalState, "1");
  system.write(apple::kLowPowerMode, "0");
  const auto start = probe_noise({0, 1}, files);
  EXPECT_DOUBLE_EQ(start.busy_seconds.value(), 1.85);
  system.write(apple::kCpuTicks, "cpu0 1100 20 1000 0\ncpu1 50 10 2000 5\n");
  system.write(
      apple::kOwnUsage,
      "user_time 120000000\nsystem_time 0\nperformance_user_time 96000000\nperformance_system_time 0\n");
  system.write(apple::kThermalState, "0");
  const auto noise = difference(start, probe_noise({0, 1}, files));
  EXPECT_EQ(noise.at("thermal_state"), "fair");
  EXPECT_EQ(noise.at("low_power_mode"), false);
  EXPECT_DOUBLE_EQ(noise.at("efficiency_core_share").get<double>(), 0.25);  // 1 of 4 s
  EXPECT_EQ(noise.at("steal_share"), "not readable");
  EXPECT_EQ(reject_reason(noise), std::nullopt);
}

TEST_F(AppleSystem, WhatIsNotToldIsLeftOutOfTheNoise) {
  system.write(apple::kCpuTicks, "cpu0 100 20 1000\n");
  system.write(apple::kThermalState, "hot");
  system.write(apple::kOwnUsage, "user_time 1\n");
  const auto probe = probe_noise({0}, files);
  const auto noise = difference(probe, probe);
  EXPECT_EQ(noise.at("others_cpu_seconds"), "not readable");
  for (const auto* field : {"thermal_state", "low_power_mode", "efficiency_core_share"})
    EXPECT_FALSE(noise.contains(field)) << field;
}

TEST(AppleNoise, HeatRejectsWherePerformanceIsReduced) {
  EXPECT_EQ(reject_reason({{"thermal_state", "nominal"}}), std::nullopt);
  EXPECT_EQ(reject_reason({{"thermal_state", "fair"}}), std::nullopt);
  EXPECT_EQ(reject_reason({{"thermal_state", "serious"}}), "thermal state 'serious' (limit 'fair')");
  EXPECT_EQ(reject_reason({{"thermal_state", "critical"}}), "thermal state 'critical' (limit 'fair')");
  EXPECT_EQ(reject_reason({{"thermal_state", 3}}), std::nullopt);
  EXPECT_EQ(reject_reason({{"efficiency_core_share", 1.0}}), std::nullopt);  // told, until somebody measures
}

TEST(AppleNoise, AdviceInApplesTerms) {
  const auto advice = advise_on_noise({{"thermal_state", "serious"},
                                       {"low_power_mode", true},
                                       {"efficiency_core_share", 0.25},
                                       {"wall_seconds", 1.0},
                                       {"others_cpu_seconds", 0.5}});
  ASSERT_EQ(advice.size(), 4u);
  EXPECT_EQ(advice[0].kind, AdviceKind::heat);
  EXPECT_THAT(advice[1].text, HasSubstr("System Settings > Battery"));
  EXPECT_THAT(advice[2].text, HasSubstr("25.0 % of the CPU time was on efficiency cores"));
  EXPECT_EQ(advice[3].kind, AdviceKind::neighbours);
  EXPECT_THAT(advice[3].text, testing::Not(HasSubstr("taskset")));  // which no Mac has
  EXPECT_THAT(advise_on_noise({{"thermal_state", "fair"}, {"low_power_mode", false}}), IsEmpty());
}

}  // namespace
}  // namespace attnbench
