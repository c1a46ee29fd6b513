#include "run/environment/control_groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "run/worker/memory_fit.h"
#include "support/command.h"

namespace attnbench {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::int64_t kMib = std::int64_t{1} << 20;

/// A system's files in a fresh directory.
class Machine {
 public:
  void write(const std::string& path, const std::string& text) const {
    const auto file = directory_.path() + path;
    std::filesystem::create_directories(std::filesystem::path(file).parent_path());
    std::ofstream(file) << text << '\n';
  }
  SystemFiles files() const { return SystemFiles(directory_.path()); }

 private:
  testing_support::TemporaryDirectory directory_;
};

std::string mib(std::int64_t count) { return std::to_string(count * kMib); }

TEST(ControlGroups, AGroupAndAllAboveItActOnAProcess) {
  EXPECT_THAT(
      control_group_folders("0::/a/b\n", "cpu"),
      ElementsAre("/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup", "/sys/fs/cgroup/unified/a/b",
                  "/sys/fs/cgroup/unified/a", "/sys/fs/cgroup/unified"));
  const auto* first_version = "3:cpuset:/x\n2:cpu,cpuacct:/x\n4:memory:/y\n1:name=systemd:/z\n";
  EXPECT_THAT(control_group_folders(first_version, "cpu"),
              ElementsAre("/sys/fs/cgroup/cpu/x", "/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct/x",
                          "/sys/fs/cgroup/cpu,cpuacct"));
  EXPECT_THAT(control_group_folders(first_version, "memory"),
              ElementsAre("/sys/fs/cgroup/memory/y", "/sys/fs/cgroup/memory"));
  EXPECT_THAT(control_group_folders("1:cpu:/\n", "cpu"),
              ElementsAre("/sys/fs/cgroup/cpu", "/sys/fs/cgroup/cpu,cpuacct"));
  EXPECT_THAT(control_group_folders("", "cpu"), IsEmpty());
}

// 400 MiB, of which 150 are used and 30 + 20 of those are files in memory: 300 are left. The group above lets
// it have 1000 - 900 = 100.
TEST(ControlGroups, TheSmallestOnThePathDecides) {
  const Machine machine;
  machine.write("/proc/self/cgroup", "0::/outer/inner");
  const std::string inner = "/sys/fs/cgroup/outer/inner/";
  machine.write(inner + "memory.max", mib(400));
  machine.write(inner + "memory.current", mib(150));
  machine.write(inner + "memory.stat", "anon 5\ninactive_file " + mib(30) + "\nactive_file " + mib(20));
  EXPECT_EQ(memory_left_in_groups(machine.files()), 300 * kMib);
  machine.write("/sys/fs/cgroup/outer/memory.max", "max");
  machine.write("/sys/fs/cgroup/outer/memory.current", mib(900));
  EXPECT_EQ(memory_left_in_groups(machine.files()), 300 * kMib);
  machine.write("/sys/fs/cgroup/outer/memory.high", mib(1000));
  EXPECT_EQ(memory_left_in_groups(machine.files()), 100 * kMib);
  machine.write("/sys/fs/cgroup/outer/memory.high", mib(10));
  EXPECT_EQ(memory_left_in_groups(machine.files()), 0) << "more is used than the limit was lowered to";
}

// 500 MiB less the 250 used, of which 100 are files; the group above, which cannot be seen, has 420.
TEST(ControlGroups, OfTheFirstVersionToo) {
  const Machine machine;
  machine.write("/proc/self/cgroup", "4:memory:/docker/abc\n1:cpu:/");
  const std::string group = "/sys/fs/cgroup/memory/docker/abc/";
  machine.write(group + "memory.limit_in_bytes", mib(500));
  machine.write(group + "memory.usage_in_bytes", mib(250));
  machine.write(group + "memory.stat",
                "inactive_file 1\ntotal_inactive_file " + mib(60) + "\ntotal_active_file " + mib(40));
  machine.write("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
  machine.write("/sys/fs/cgroup/memory/memory.usage_in_bytes", mib(5000));
  EXPECT_EQ(memory_left_in_groups(machine.files()), 350 * kMib);
  machine.write(group + "memory.stat", "hierarchical_memory_limit " + mib(420));
  EXPECT_EQ(memory_left_in_groups(machine.files()), 170 * kMib);
}

TEST(ControlGroups, WithoutALimitTheMachineDecides) {
  const Machine machine;
  EXPECT_EQ(memory_left_in_groups(machine.files()), std::nullopt);
  EXPECT_EQ(available_memory_bytes(machine.files()), 0) << "nothing is known";
  machine.write("/proc/meminfo", "MemTotal: 9 kB\nMemAvailable: 2048 kB");
  machine.write("/proc/self/cgroup", "0::/");
  machine.write("/sys/fs/cgroup/memory.max", "max");
  machine.write("/sys/fs/cgroup/memory.current", "77");
  EXPECT_EQ(available_memory_bytes(machine.files()), 2 * kMib);
  machine.write("/sys/fs/cgroup/memory.max", "1048653");
  EXPECT_EQ(available_memory_bytes(machine.files()), kMib);
  machine.write("/sys/fs/cgroup/memory.max", "50");
  EXPECT_EQ(available_memory_bytes(machine.files()), 1) << "0 would mean that nothing is known";
}

TEST(ControlGroups, EndsForWantOfMemoryAreCountedInBothVersionsOrByTheSystem) {
  const Machine machine;
  EXPECT_EQ(oom_kills(machine.files()), std::nullopt);
  machine.write("/proc/vmstat", "pgfault 7\noom_kill 12");
  EXPECT_EQ(oom_kills(machine.files()), 12);
  machine.write("/proc/self/cgroup", "4:memory:/y");
  machine.write("/sys/fs/cgroup/memory/y/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 5");
  EXPECT_EQ(oom_kills(machine.files()), 5);
}

}  // namespace
}  // namespace attnbench
