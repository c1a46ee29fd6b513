#include "run/protocol/worker_identity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "attnbench/error.h"
#include "support/command.h"

namespace attnbench {
namespace {

using testing_support::TemporaryDirectory;

WorkerIdentity worker() {
  return {"b1", "m1", "boot1", "0-3", {0, 1}, {{"onednn", "3.1.0"}}, {{"liba.so", "00112233445566778899"}}};
}

/// "what: expected -> found".
std::string difference_to(const WorkerIdentity& found, const WorkerIdentity& expected = worker()) {
  const auto other = difference(expected, found);
  return other ? other->what + ": " + other->expected + " -> " + other->found : "";
}

TEST(WorkerIdentity, EveryFieldTellsWorkersApart) {
  EXPECT_EQ(difference_to(worker()), "");
  auto other = worker();
  other.build_id = "b2";
  EXPECT_EQ(difference_to(other), "build: b1 -> b2");
  other = worker();
  other.machine_key = "m2";
  EXPECT_EQ(difference_to(other), "machine: m1 -> m2");
  other = worker();
  other.boot_id = "boot2";
  EXPECT_EQ(difference_to(other), "boot of the machine: boot1 -> boot2");
  other = worker();
  other.allowed_cpus = "0";
  EXPECT_EQ(difference_to(other), "CPU set: 0-3 -> 0");
  other = worker();
  other.cpus = {0, 2};
  EXPECT_EQ(difference_to(other), "CPUs in use: 0-1 -> 0,2");
  other = worker();
  other.libraries["onednn"] = "3.2.0";
  EXPECT_EQ(difference_to(other), R"(library versions: {"onednn":"3.1.0"} -> {"onednn":"3.2.0"})");
  other = worker();
  other.plugins[0].hash[0] = 'f';
  EXPECT_EQ(difference_to(other), "plugin: liba.so 0011223344556677 -> liba.so f011223344556677");
  other.plugins.clear();
  EXPECT_EQ(difference_to(other), "plugin: liba.so 0011223344556677 -> none");
  EXPECT_EQ(difference_to(worker(), other), "plugin: none -> liba.so 0011223344556677");
}

TEST(WorkerIdentity, WithoutExpectedCpusAnyWillDo) {
  auto expected = worker();
  expected.cpus.clear();
  EXPECT_EQ(difference_to(worker(), expected), "");
}

TEST(WorkerIdentity, OneThatCouldNotLoadAPluginDoesNotKnowItsLibraries) {
  auto expected = worker();
  expected.libraries["outside library"] = "1";
  auto found = worker();
  EXPECT_NE(difference_to(found, expected), "");
  found.plugins_not_loaded["engine"] = "its program exited with code 3 at 'hello'";
  EXPECT_EQ(difference_to(found, expected), "");
  found.libraries["onednn"] = "3.2.0";
  EXPECT_NE(difference_to(found, expected), "");
  EXPECT_EQ(worker_identity_from_json(to_json(found)).plugins_not_loaded, found.plugins_not_loaded);
}

TEST(WorkerIdentity, SurvivesAMessage) {
  EXPECT_EQ(difference_to(worker_identity_from_json(to_json(worker()))), "");
  auto message = to_json(worker());
  message.erase("plugins");
  EXPECT_THROW(worker_identity_from_json(message), InputError);
}

TEST(WorkerIdentity, APluginIsWhatItsFileHolds) {
  const TemporaryDirectory directory;
  std::ofstream(directory.file("x.so")) << "one";
  const auto one = identify_plugin(directory.file("x.so"));
  EXPECT_EQ(one.file, "x.so");
  EXPECT_EQ(identify_plugin(directory.file("x.so")), one);
  std::ofstream(directory.file("x.so")) << "two";
  EXPECT_NE(identify_plugin(directory.file("x.so")).hash, one.hash);
  EXPECT_THROW(identify_plugin(directory.file("no.so")), InputError);
}

}  // namespace
}  // namespace attnbench
