// The contract between instrument and kernel, from outside: an engine with memory of its own, a thread of its
// own and its own clock (tests/plugins/remote_engine.cc) goes through the whole program.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "store/store.h"
#include "support/command.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing_support::attnbench;
using testing_support::TemporaryDirectory;
using Arguments = std::vector<std::string>;

/// One small cell on the remote device, with the kernels that are given.
Arguments remote_run(const std::string& out, const std::string& kernels, const Arguments& more = {}) {
  auto words = testing_support::small_run(
      out, {"--mechanism", "mha", "--seqlen", "16", "--device", "remote:0", "--baseline", "mha/attend@remote",
            "--plugin", ATTNBENCH_REMOTE_ENGINE, "--kernel", kernels});
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(RemoteEngine, IsVerifiedMeasuredAndReported) {
  const TemporaryDirectory directory;
  const auto out = directory.file("remote.db");
  const auto run = attnbench(remote_run(out, "@remote"));
  // The faulty kernels make it 4; their reasons are the next test's.
  ASSERT_EQ(run.exit_code, 4) << run.err;
  const auto store = Store::open(out, Store::Mode::read);
  const auto stored = store.runs().front();
  EXPECT_EQ(stored.run.environment->at("devices").at("remote:0").at("identity").at("driver"), "1.2");
  const auto cells = store.cells(stored.id);
  ASSERT_EQ(cells.size(), 1u);
  EXPECT_EQ(cells.front().device, "remote:0");
  EXPECT_THAT(cells.front().cell_id, testing::EndsWith("-t1-remote:0"));
  std::map<std::string, int> samples;
  for (const auto& process : store.processes(stored.id, cells.front().cell_id)) {
    EXPECT_EQ(process.noise->at("device").at("end").at("clock_mhz"), 1234);
    for (const auto& sample : process.samples) {
      if (sample.role == "kernel") ++samples[sample.kernel_id];
    }
  }
  EXPECT_GT(samples["mha/attend@remote"], 0);
  EXPECT_GT(samples["mha/attend_too@remote"], 0);
  EXPECT_EQ(samples.size(), 2u) << "a faulty kernel was timed";

  const auto analysis = attnbench({"analyze", out});
  EXPECT_THAT(analysis.exit_code, testing::AnyOf(0, 3)) << analysis.err;
  EXPECT_THAT(analysis.out, HasSubstr("attend_too"));
  const auto page = directory.file("report.html");
  EXPECT_THAT(attnbench({"report", out, "--out", page}).exit_code, testing::AnyOf(0, 3));
  std::ifstream in(page);
  EXPECT_THAT(std::string(std::istreambuf_iterator<char>(in), {}), HasSubstr("remote:0"));
}

TEST(RemoteEngine, EachFaultIsNamed) {
  const TemporaryDirectory directory;
  const auto out = directory.file("remote.db");
  attnbench(remote_run(out, "@remote"));
  const auto store = Store::open(out, Store::Mode::read);
  std::map<std::string, std::string> reasons;
  for (const auto& failure : store.failures(store.runs().front().id))
    reasons[failure.kernel_id] = failure.reason;
  const std::map<std::string, std::string> expected = {
      {"forgets_to_fetch", "nothing was written to o, or it was not fetched"},
      {"returns_previous_output", "it returned the output of the call before"},
      {"ignores_new_values", "it does not follow new values of v"},
      {"reports_no_time", "it reports 0 s for 1 call"},
      {"reports_a_hundredth", "the host waited"},
      {"makes_fewer_calls", "it made 0 of 1 calls"},
      {"computes_when_read", "it computes when its output is fetched"},
      {"falls_back", "'attend_reference' ran, not 'attend': the remote engine's log"}};
  for (const auto& [kernel, words] : expected)
    EXPECT_THAT(reasons["mha/" + kernel + "@remote"], HasSubstr(words)) << kernel;
  EXPECT_EQ(reasons.size(), expected.size());
}

TEST(RemoteEngine, ARunGoesOn) {
  const TemporaryDirectory directory;
  const auto out = directory.file("remote.db");
  ASSERT_EQ(attnbench(remote_run(out, "attend,attend_too")).exit_code % 3, 0);
  const auto processes = [&] {
    const auto store = Store::open(out, Store::Mode::read);
    const auto run = store.runs().front().id;
    return store.processes(run, store.cells(run).front().cell_id).size();
  };
  const auto before = processes();
  const auto again = attnbench(remote_run(out, "attend,attend_too"));
  EXPECT_EQ(again.exit_code % 3, 0) << again.err;
  EXPECT_EQ(processes(), before);
}

TEST(RemoteEngine, TwoBuildsTakeTurns) {
  const TemporaryDirectory directory;
  const auto out = directory.file("pair.db");
  const auto run = attnbench(remote_run(out, "attend,attend_too", {"--against", testing_support::program()}));
  EXPECT_EQ(run.exit_code % 3, 0) << run.err;
  EXPECT_EQ(Store::open(out, Store::Mode::read).runs().size(), 2u);
  const auto comparison = attnbench({"compare", out});
  EXPECT_NE(comparison.exit_code, 2) << comparison.err;
  EXPECT_THAT(comparison.out, HasSubstr("attend_too@remote"));
}

TEST(RemoteEngine, CpuKernelsSayThatTheyComputeElsewhere) {
  const TemporaryDirectory directory;
  const auto out = directory.file("remote.db");
  attnbench(remote_run(out, "attend,unfused"));
  const auto store = Store::open(out, Store::Mode::read);
  const auto run = store.runs().front().id;
  std::map<std::string, std::string> reasons;
  const auto cell = store.cells(run).front();
  for (const auto& kernel : cell.kernels) reasons[kernel.id()] = kernel.support_reason;
  EXPECT_EQ(reasons.at("mha/unfused@cpu"), "computes on device cpu, not on remote:0");
}

TEST(RemoteEngine, ADeviceThatIsNotThereIsNamed) {
  const TemporaryDirectory directory;
  auto words = remote_run(directory.file("none.db"), "attend");
  *std::find(words.begin(), words.end(), "remote:0") = "remote:1";
  const auto run = attnbench(words);
  EXPECT_EQ(run.exit_code, 2);
  EXPECT_THAT(run.err, HasSubstr("device: 'remote:1' is not here; there is cpu, remote:0"));
  *std::find(words.begin(), words.end(), "remote:1") = "Remote 1";
  EXPECT_THAT(attnbench(words).err, HasSubstr("device: 'Remote 1' is not the name of a device"));
}

TEST(RemoteEngine, IsListed) {
  const auto with = attnbench({"list", "--plugin", ATTNBENCH_REMOTE_ENGINE});
  EXPECT_THAT(with.out, HasSubstr("devices: cpu, remote:0"));
  EXPECT_THAT(with.out, HasSubstr("attend_too"));
  const auto without = attnbench({"list", "--json"});
  EXPECT_EQ(nlohmann::json::parse(without.out).at("devices"), nlohmann::json({"cpu"}));
}

TEST(RemoteEngine, PassesOnlyOnItsDevice) {
  const auto verify = [](const std::string& kernel) {
    return attnbench({"verify", "--plugin", ATTNBENCH_REMOTE_ENGINE, "--device", "remote:0", "--kernel",
                      kernel, "--shapes", "2"});
  };
  const auto right = verify("attend");
  EXPECT_EQ(right.exit_code, 0) << right.out << right.err;
  EXPECT_THAT(right.out, Not(HasSubstr("FAILED")));
  const auto wrong = verify("falls_back");
  EXPECT_EQ(wrong.exit_code, 4);
  EXPECT_THAT(wrong.out, HasSubstr("'attend_reference' ran"));
}

}  // namespace
}  // namespace attnbench
