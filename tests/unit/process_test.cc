#include "run/protocol/process.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "attnbench/error.h"
#include "io/standard_streams.h"
#include "support/command.h"

namespace attnbench {
namespace {

using nlohmann::json;
using testing_support::TemporaryDirectory;
using Event = LineChannel::Event;

constexpr std::chrono::seconds kPatience{20};
constexpr double kPatienceSeconds = 20;

/// A program that answers with JSON lines; its input is the conversation's.
Program shell(const std::string& script) {
  keep_standard_streams();
  return {.words = {"/bin/sh", "-c", script}};
}

std::string end_of(const std::string& script) {
  Process process(shell(script));
  EXPECT_EQ(process.receive(kPatience).event, Event::closed);
  return process.end(kPatienceSeconds).in_words();
}

TEST(Process, EndsAreToldInWords) {
  EXPECT_EQ(end_of("exit 3"), "exited with code 3");
  EXPECT_EQ(end_of("exit 0"), "exited with code 0");
  EXPECT_EQ(end_of("kill -SEGV $$"), "crashed with SIGSEGV");
  EXPECT_EQ(end_of("kill -KILL $$"), "crashed with SIGKILL");
}

TEST(Process, OneThatCannotBeStartedIsNamed) {
  EXPECT_THAT([] { Process process({.words = {"no-such-program"}}); },
              testing::ThrowsMessage<InputError>(
                  "launcher: 'no-such-program' cannot be started: No such file or directory"));
}

TEST(Process, SpeaksJsonLinesBothWays) {
  Process process(
      shell(R"(while read -r line; do case $line in *heartbeat*) ;; *) echo "{\"heard\":$line}" ;; esac
done)"));
  ASSERT_TRUE(process.send({{"n", 1}}));
  ASSERT_TRUE(process.send({{"n", 2}}));
  for (const int n : {1, 2}) {
    const auto received = process.receive(kPatience);
    ASSERT_EQ(received.event, Event::message);
    EXPECT_EQ(received.message, (json{{"heard", {{"n", n}}}}));
  }
  EXPECT_EQ(process.end(kPatienceSeconds).in_words(), "exited with code 0") << "its input ended";
}

TEST(Process, HearsHeartbeatsWhileItIsWaitedFor) {
  Process process(
      shell("read -r first; read -r second; echo \"[$first,$second]\" | sed 's/.*/{\"heard\":&}/'"));
  const auto received = process.receive(kPatience);
  ASSERT_EQ(received.event, Event::message);
  const json beat = {{"type", "heartbeat"}};
  EXPECT_EQ(received.message->at("heard"), json::array({beat, beat}));
}

TEST(Process, OneThatSaysNothingIsWaitedForNoLonger) {
  Process process(shell("sleep 1000"));
  EXPECT_EQ(process.receive(std::chrono::milliseconds(20)).event, Event::timeout);
  EXPECT_EQ(process.end(0).in_words(), "crashed with SIGKILL");
}

TEST(Process, LeavesNothingOfItsGroupBehind) {
  pid_t left = 0;
  {
    Process process(shell("sleep 1000 & echo \"{\\\"pid\\\":$!}\"; wait"));
    left = process.receive(kPatience).message->at("pid").get<pid_t>();
    EXPECT_EQ(kill(left, 0), 0);
    EXPECT_NE(getpgid(left), getpgid(0));
  }
  // Killed, it is for another to wait for.
  std::string state;
  do {
    std::ifstream status("/proc/" + std::to_string(left) + "/stat");
    std::string id, name;
    if (!(status >> id >> name >> state)) break;
  } while (state != "Z" && state != "S");
  EXPECT_NE(state, "S");
}

TEST(Process, SharesADescriptor) {
  const TemporaryDirectory directory;
  std::ofstream(directory.file("shared")) << "{\"shared\":true}\n";
  const int shared = open(directory.file("shared").c_str(), O_RDONLY | O_CLOEXEC);
  Process process(shell("cat <&3"), shared);
  close(shared);
  EXPECT_EQ(process.receive(kPatience).message, (json{{"shared", true}}));
}

TEST(Process, HoldsNoOthersInput) {
  Process first(shell("cat > /dev/null"));
  Process second(shell("sleep 1000"));
  EXPECT_EQ(first.end(kPatienceSeconds).in_words(), "exited with code 0");
}

TEST(Process, AddsToTheEnvironment) {
  setenv("ATTNBENCH_TEST_ADDED", "before", 1);
  setenv("ATTNBENCH_TEST_KEPT", "kept", 1);
  auto program = shell("echo \"{\\\"said\\\":\\\"$ATTNBENCH_TEST_ADDED $ATTNBENCH_TEST_KEPT\\\"}\"");
  program.environment = {{"ATTNBENCH_TEST_ADDED", "now"}};
  Process process(program);
  EXPECT_EQ(process.receive(kPatience).message->at("said"), "now kept");
  unsetenv("ATTNBENCH_TEST_ADDED");
  unsetenv("ATTNBENCH_TEST_KEPT");
}

TEST(Process, TheSystemsOwnEndOfItIsOutOfMemory) {
  for (const bool counted : {true, false}) {
    const TemporaryDirectory machine;
    std::filesystem::create_directories(machine.file("proc/self"));
    std::filesystem::create_directories(machine.file("sys/fs/cgroup/g"));
    const auto events = machine.file("sys/fs/cgroup/g/memory.events");
    std::ofstream(machine.file("proc/self/cgroup")) << "0::/g\n";
    std::ofstream(events) << "max 4\noom 3\noom_kill 3\n";
    auto program =
        shell("echo 'oom_kill " + std::string(counted ? "4" : "3") + "' > " + events + "; kill -KILL $$");
    program.files = SystemFiles(machine.path());
    Process process(program);
    EXPECT_EQ(process.receive(kPatience).event, Event::closed);
    const auto end = process.end(kPatienceSeconds);
    EXPECT_EQ(end.out_of_memory, counted);
    EXPECT_EQ(end.in_words(),
              counted ? "was ended by the system, which ran out of memory" : "crashed with SIGKILL");
  }
}

}  // namespace
}  // namespace attnbench
