#include "run/noise/consumers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "support/command.h"

namespace attnbench {
namespace {

void write_stat(const testing_support::TemporaryDirectory& root, std::int64_t id, const std::string& name,
                long user, long system) {
  const auto folder = root.file("proc/" + std::to_string(id));
  std::filesystem::create_directories(folder);
  std::ofstream(folder + "/stat") << id << " (" << name << ") R 1 2 3 4 5 6 7 8 9 10 " << user << ' '
                                  << system << " 0 0 20 0\n";
}

TEST(Consumers, ReadsTimesAfterANameOfAnyKind) {
  const testing_support::TemporaryDirectory root;
  const auto tick = sysconf(_SC_CLK_TCK);
  write_stat(root, 7, "a) R (b\033[2J", 3 * tick, tick);
  std::filesystem::create_directories(root.file("proc/self"));
  std::filesystem::create_directories(root.file("proc/8"));  // gone in the meantime
  const auto processes = cpu_of_processes(SystemFiles(root.path()));
  ASSERT_EQ(processes.size(), 1u);
  EXPECT_EQ(processes.at(7).name, "a) R (b?[2J");
  EXPECT_DOUBLE_EQ(processes.at(7).cpu_seconds, 4);
}

// In 2 s: two compilers 3.2 s together, one of them started meanwhile; the others 1 s, 0.3 s, 0.2 s and 0.08
// s, which is below 5 % of a CPU. This process is no neighbour. Number 5 went to a new process.
TEST(Consumers, NamesTheThreeBusiest) {
  const std::map<std::int64_t, ProcessCpu> before = {{1, {"idle", 50}},
                                                     {2, {"cc1plus", 10}},
                                                     {4, {"make", 1}},
                                                     {5, {"old", 100}},
                                                     {getpid(), {"unit_tests", 0}}};
  const std::map<std::int64_t, ProcessCpu> after = {
      {1, {"idle", 50.08}}, {2, {"cc1plus", 12}}, {3, {"cc1plus", 1.2}},        {4, {"make", 2}},
      {5, {"new", 0.3}},    {6, {"ld", 0.2}},     {getpid(), {"unit_tests", 9}}};
  const auto busy = busiest(before, after, 2);
  EXPECT_EQ(consumers_in_words(busy), "cc1plus (2 processes, 1.6 CPUs), make (0.5 CPUs), new (0.1 CPUs)");
  EXPECT_EQ(consumers_in_words(nlohmann::json::array()), "");
}

}  // namespace
}  // namespace attnbench
