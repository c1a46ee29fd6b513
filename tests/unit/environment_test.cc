#include "run/environment/environment.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "core/cpu_list.h"
#include "core/system/parse.h"
#include "core/system/topology.h"
#include "run/environment/advice.h"
#include "run/environment/executable.h"
#include "run/environment/identity.h"
#include "support/fake_system.h"

namespace attnbench {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::MatchesRegex;

using testing_support::FakeSystem;

constexpr const char* kXeon =
    "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 143\n"
    "model name\t: Intel(R) Xeon(R) Platinum 8481C\nstepping\t: 8\ncpu MHz\t\t: 2700.000\n"
    "flags\t\t: fpu sse4_2 avx2 avx512f hypervisor amx_bf16\n\n"
    "processor\t: 1\nvendor_id\t: GenuineIntel\nmodel name\t: Intel(R) Xeon(R) Platinum 8481C\n"
    "cpu MHz\t\t: 2900.000\nflags\t\t: fpu\n";

TEST(Environment, CpuinfoOfX86) {
  const auto cpu = parse_cpuinfo(kXeon);
  EXPECT_EQ(cpu.vendor, "GenuineIntel");
  EXPECT_EQ(cpu.model, "Intel(R) Xeon(R) Platinum 8481C");
  EXPECT_EQ(cpu.family, "6");
  EXPECT_EQ(cpu.model_number, "143");
  EXPECT_EQ(cpu.stepping, "8");
  EXPECT_EQ(cpu.logical_cpus, 2);
  EXPECT_TRUE(cpu.has("amx_bf16"));
  EXPECT_FALSE(cpu.has("amx"));
}

TEST(Environment, CpuinfoOfArmAndOfNothing) {
  const auto arm = parse_cpuinfo(
      "processor\t: 0\nBogoMIPS\t: 243.75\nFeatures\t: fp asimd bf16\nCPU implementer\t: 0x41\nCPU part\t: "
      "0xd0c\n");
  EXPECT_EQ(arm.vendor, "0x41");
  EXPECT_EQ(arm.model, "0xd0c");
  EXPECT_TRUE(arm.has("bf16"));
  EXPECT_EQ(parse_cpuinfo("").logical_cpus, 0);
}

TEST(Environment, SmallFormats) {
  EXPECT_THAT(parse_cpu_list("0-2,8,10-11"), ElementsAre(0, 1, 2, 8, 10, 11));
  EXPECT_THAT(parse_cpu_list("0-x"), IsEmpty());
  EXPECT_THAT(parse_cpu_list("3-1"), IsEmpty());
  EXPECT_THAT(parse_cpu_list(""), IsEmpty());
  EXPECT_EQ(format_cpu_list({0, 1, 2, 8, 10, 11}), "0-2,8,10-11");
  EXPECT_EQ(format_cpu_list({}), "");
  EXPECT_EQ(parse_cache_size("32K"), 32768);
  EXPECT_EQ(parse_cache_size("2M"), 2097152);
  EXPECT_EQ(parse_cache_size("512"), 512);
  EXPECT_EQ(parse_cache_size("K"), std::nullopt);
  EXPECT_EQ(parse_cache_size("0K"), std::nullopt);
  EXPECT_EQ(parse_meminfo("MemTotal:       24684084 kB\nMemFree: 1 kB\n", "MemTotal"), 25276502016);
  EXPECT_EQ(parse_meminfo("MemFree: 1 kB\n", "MemTotal"), std::nullopt);
  EXPECT_EQ(selected_option("always [madvise] never"), "madvise");
  EXPECT_EQ(selected_option("always"), std::nullopt);
  EXPECT_EQ(parse_os_release("NAME=\"x\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"),
            "Debian GNU/Linux 12 (bookworm)");
}

TEST(Environment, OpenMpRuntimesAreNamedOnceAndWithoutPath) {
  EXPECT_THAT(openmp_runtimes("7f0 r--p 0 fe:00 1  /usr/lib/x86_64-linux-gnu/libgomp.so.1.0.0\n"
                              "7f1 r-xp 0 fe:00 1  /usr/lib/x86_64-linux-gnu/libgomp.so.1.0.0\n"
                              "7f2 r-xp 0 fe:00 1  /home/ann/llvm/lib/libomp.so.5\n"
                              "7f3 r-xp 0 fe:00 1  /usr/lib/libc.so.6\n"
                              "7f4 rw-p 0 00:00 0 \n"),
              ElementsAre("libgomp.so.1.0.0", "libomp.so.5"));
}

TEST(Environment, ThreadingVariablesHideOtherVariablesAndPaths) {
  const auto found = threading_variables({"OMP_NUM_THREADS=4", "HOME=/home/ann", "GOMP_SPINCOUNT=0",
                                          "MYOMP_X=1", "OMP_TOOL_LIBRARIES=/home/ann/tool.so", "OMP_BROKEN"});
  EXPECT_THAT(found, ElementsAre(std::pair{"GOMP_SPINCOUNT", "0"}, std::pair{"OMP_NUM_THREADS", "4"},
                                 std::pair{"OMP_TOOL_LIBRARIES", "(path)"}));
}

void write_cache(const FakeSystem& system, int cpu, int index, const std::string& level,
                 const std::string& type, const std::string& size, const std::string& sharing) {
  const auto folder =
      "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/cache/index" + std::to_string(index);
  system.write(folder + "/level", level + "\n");
  system.write(folder + "/type", type + "\n");
  system.write(folder + "/size", size + "\n");
  system.write(folder + "/shared_cpu_list", sharing + "\n");
}

TEST(Environment, CachesAreCountedOnceForThoseWhoShareThem) {
  const FakeSystem system;
  for (int cpu = 0; cpu < 4; ++cpu) {
    write_cache(system, cpu, 0, "1", "Data", "32K", std::to_string(cpu));
    write_cache(system, cpu, 1, "1", "Instruction", "64K", std::to_string(cpu));
    write_cache(system, cpu, 2, "3", "Unified", "16M", cpu < 2 ? "0-1" : "2-3");
  }
  EXPECT_EQ(last_level_cache_bytes(system.files(), {0, 1}), 16 << 20);
  EXPECT_EQ(last_level_cache_bytes(system.files(), {1, 2, 3}), 32 << 20);
  EXPECT_EQ(cache_bytes(system.files(), {0, 1, 2}, 1), 3 * 32768);
  EXPECT_EQ(cache_bytes(system.files(), {0}, 2), std::nullopt);
  EXPECT_EQ(last_level_cache_bytes(system.files(), {9}), std::nullopt);
}

TEST(Environment, CoresAndNumaNodes) {
  const FakeSystem system;
  system.write("/sys/devices/system/cpu/online", "0-3\n");
  const int cores[] = {0, 1, 0, 1};
  for (int cpu = 0; cpu < 4; ++cpu) {
    const auto folder = "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    system.write(folder + "physical_package_id", "0\n");
    system.write(folder + "core_id", std::to_string(cores[cpu]) + "\n");
  }
  system.write("/sys/devices/system/node/node10/cpulist", "2-3\n");
  system.write("/sys/devices/system/node/node2/cpulist", "0-1\n");
  system.write("/sys/devices/system/node/online", "2,10\n");
  EXPECT_THAT(online_cpus(system.files()), ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(cores_of(system.files(), {0, 1, 2, 3}).value().physical, 2);
  EXPECT_EQ(cores_of(system.files(), {0, 4}), std::nullopt);
  const auto nodes = numa_nodes(system.files());
  ASSERT_EQ(nodes.size(), 2u);
  EXPECT_EQ(nodes[0].node, 2);
  EXPECT_THAT(nodes[1].cpus, ElementsAre(2, 3));
}

TEST(Environment, TurboAsEitherDriverTells) {
  const FakeSystem system;
  const auto turbo = [&] {
    return probe_environment("unknown", system.files()).at("/cpu/turbo"_json_pointer);
  };
  system.write("/sys/devices/system/cpu/cpufreq/boost", "1\n");
  EXPECT_EQ(turbo(), "on");
  system.write("/sys/devices/system/cpu/cpufreq/boost", "0\n");
  EXPECT_EQ(turbo(), "off");
  system.write("/sys/devices/system/cpu/intel_pstate/no_turbo", "0\n");
  EXPECT_EQ(turbo(), "on");
  system.write("/sys/devices/system/cpu/intel_pstate/no_turbo", "1\n");
  EXPECT_EQ(turbo(), "off");
}

TEST(Environment, AnEmptyFileSystemIsNotReadableRatherThanAnError) {
  const FakeSystem system;
  const auto environment = probe_environment("unknown", system.files());
  for (const auto* place :
       {"/cpu/model", "/cpu/flags", "/cpu/caches", "/cpu/numa_nodes", "/cpu/physical_cores",
        "/cpu/logical_cpus", "/cpu/smt", "/cpu/governor", "/cpu/turbo", "/cpu/hypervisor",
        "/memory/total_bytes", "/memory/transparent_huge_pages", "/os/name", "/openmp/runtimes"}) {
    EXPECT_EQ(environment.at(json::json_pointer(place)), "not readable") << place;
  }
  EXPECT_THAT(advise(environment, json::object()), IsEmpty());
  EXPECT_THAT(machine_key(system.files()), MatchesRegex("[0-9a-f]{16}"));
  EXPECT_EQ(boot_id(system.files()), "not readable");
}

TEST(Environment, TheRealMachineIsDescribedWithoutItsName) {
  const auto environment = probe_environment("unknown");
  EXPECT_THAT(environment.at("/libraries/onednn"_json_pointer).get<std::string>(),
              MatchesRegex("[0-9]+\\..*"));
  char host[256] = "";
  ASSERT_EQ(gethostname(host, sizeof host - 1), 0);
  if (std::string_view(host).size() > 4) {
    EXPECT_THAT(environment.dump(), testing::Not(HasSubstr(host)));
  }
}

TEST(Environment, MachineKeyFollowsHardwareOnly) {
  const FakeSystem system;
  system.write("/proc/cpuinfo", kXeon);
  system.write("/proc/meminfo", "MemTotal:       24684084 kB\n");
  const auto key = machine_key(system.files());
  system.write("/proc/meminfo", "MemTotal:       24684020 kB\n");  // another kernel reserves a little more
  system.write("/proc/sys/kernel/random/boot_id", "b\n");
  system.write("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n");
  EXPECT_EQ(machine_key(system.files()), key);
  system.write("/proc/meminfo", "MemTotal:       49368168 kB\n");
  EXPECT_NE(machine_key(system.files()), key);
  system.write("/proc/meminfo", "MemTotal:       24684084 kB\n");
  write_cache(system, 0, 0, "3", "Unified", "16M", "0-1");
  EXPECT_NE(machine_key(system.files()), key);
}

TEST(Environment, BuildIdIsTheNoteOfThisExecutable) {
  EXPECT_THAT(build_id(), MatchesRegex("[0-9a-f]{16,40}"));
  EXPECT_EQ(build_id(), build_id());
}

std::vector<AdviceKind> kinds(const json& environment, const json& noise) {
  std::vector<AdviceKind> found;
  for (const auto& advice : advise(environment, noise)) found.push_back(advice.kind);
  return found;
}

TEST(Environment, AdviceNamesTheRemedy) {
  const json environment = {
      {"cpu",
       {{"governor", "powersave"},
        {"smt", "on"},
        {"allowed_cpus", "0-3"},
        {"numa_nodes",
         {{{"node", 1}, {"cpus", "0-1"}}, {{"node", 2}, {"cpus", "2-3"}}, {{"node", 3}, {"cpus", "4"}}}}}},
      {"memory", {{"transparent_huge_pages", "never"}}},
      {"openmp", {{"variables", {{"OMP_PROC_BIND", "false"}}}}}};
  const json noise = {{"steal_share", 0.03},
                      {"pressure_share", 0.06},
                      {"throttled_periods", 1},
                      {"sentinel_drift", 0.16},
                      {"consumers",
                       {{{"name", "cc1plus"}, {"processes", 8}, {"cpus", 1.94}},
                        {{"name", "python3"}, {"processes", 1}, {"cpus", 0.25}}}},
                      {"others_cpu_seconds", 1},
                      {"wall_seconds", 2}};
  EXPECT_THAT(kinds(environment, noise),
              ElementsAre(AdviceKind::governor, AdviceKind::huge_pages, AdviceKind::pinning,
                          AdviceKind::pinning, AdviceKind::smt, AdviceKind::steal, AdviceKind::pressure,
                          AdviceKind::throttling, AdviceKind::drift, AdviceKind::neighbours));
  EXPECT_THAT(advise_on_noise(noise)[1].text, HasSubstr("in 6.0 % of the time (limit 5 %)"));
  EXPECT_THAT(
      advise_on_noise(noise)[4].text,
      HasSubstr("for 1.00 s of 2.00 s (busiest: cc1plus (8 processes, 1.9 CPUs), python3 (0.2 CPUs))"));
  EXPECT_THAT(advise(environment, {})[0].text, HasSubstr("cpupower frequency-set -g performance"));
  EXPECT_THAT(advise(environment, {})[3].text, HasSubstr("numactl --cpunodebind=1"));
}

TEST(Environment, NoAdviceForAQuietMachine) {
  const json environment = {
      {"cpu",
       {{"governor", "performance"},
        {"smt", "off"},
        {"allowed_cpus", "0-1"},
        {"numa_nodes", {{{"node", 0}, {"cpus", "0-1"}}, {{"node", 1}, {"cpus", "2-3"}}}}}},
      {"memory", {{"transparent_huge_pages", "always"}}},
      {"openmp", {{"variables", {{"OMP_PROC_BIND", "true"}}}}}};
  const json noise = {{"steal_share", 0.02},
                      {"pressure_share", 0.05},
                      {"throttled_periods", 0},
                      {"sentinel_drift", 0.15},
                      {"consumers", {{{"name", "make"}, {"processes", 1}, {"cpus", 0.06}}}},
                      {"others_cpu_seconds", 0.1},
                      {"wall_seconds", 2}};
  EXPECT_THAT(kinds(environment, noise), IsEmpty());
}

}  // namespace
}  // namespace attnbench
