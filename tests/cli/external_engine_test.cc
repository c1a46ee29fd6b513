// An engine in a program of its own (tests/plugins/external_engine.cc) goes through the whole program;
// whatever that program does costs no more than its own rows.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "store/store.h"
#include "support/command.h"

namespace attnbench {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;
using testing_support::attnbench;
using testing_support::TemporaryDirectory;
using Arguments = std::vector<std::string>;

/// One small cell with our baseline and these kernels of the engine.
testing_support::CommandResult external_run(const std::string& out, const std::string& kernels,
                                            const Arguments& more = {},
                                            const std::string& engine = ATTNBENCH_EXTERNAL_ENGINE) {
  Arguments words = {"run",
                     "smoke",
                     "--accept-noise",
                     "--scope",
                     "core",
                     "--dtype",
                     "f32",
                     "--mechanism",
                     "mha",
                     "--seqlen",
                     "16",
                     "--threads",
                     "1",
                     "--kernel",
                     "unfused," + kernels,
                     "--plugin",
                     engine,
                     "--ceilings",
                     testing_support::ceilings_file(),
                     "--out",
                     out};
  words.insert(words.end(), more.begin(), more.end());
  return attnbench(words);
}

std::map<std::string, std::string> failures_in(const std::string& out) {
  const auto store = Store::open(out, Store::Mode::read);
  std::map<std::string, std::string> reasons;
  for (const auto& failure : store.failures(store.runs().front().id))
    reasons[failure.kernel_id] = failure.stage + ": " + failure.reason;
  return reasons;
}

/// Kernel samples of the store's valid processes, by kernel id.
std::map<std::string, int> samples_in(const std::string& out) {
  const auto store = Store::open(out, Store::Mode::read);
  const auto run = store.runs().front().id;
  std::map<std::string, int> count;
  for (const auto& process : store.processes(run, store.cells(run).front().cell_id)) {
    for (const auto& sample : process.samples) {
      if (process.valid && sample.valid && sample.role == "kernel") ++count[sample.kernel_id];
    }
  }
  return count;
}

constexpr int kQuickSamples = 3 * 10;

TEST(ExternalEngine, IsVerifiedMeasuredAndReported) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto result = external_run(out, "attend,not_confirmed");
  ASSERT_EQ(result.exit_code % 3, 0) << result.err;
  EXPECT_EQ(samples_in(out), (std::map<std::string, int>{{"mha/attend@outside", kQuickSamples},
                                                         {"mha/not_confirmed@outside", kQuickSamples},
                                                         {"mha/unfused@cpu", kQuickSamples}}));
  const auto store = Store::open(out, Store::Mode::read);
  const auto stored = store.runs().front();
  EXPECT_EQ(stored.run.environment->at("libraries").at("outside library"), "1");
  EXPECT_EQ(stored.run.environment->at("workers").at("plugins").at(0).at("file"), "external_engine");
  for (const auto& process : store.processes(stored.id, store.cells(stored.id).front().cell_id)) {
    const auto& kernels = *process.kernels;
    EXPECT_EQ(kernels.at("mha/attend@outside").at("recheck").at("ran"), "attention of the test");
    EXPECT_EQ(kernels.at("mha/attend@outside").at("recheck").at("known_by"), "its log");
    EXPECT_EQ(kernels.at("mha/not_confirmed@outside").at("recheck").at("known_by"), "");
    EXPECT_EQ(kernels.at("mha/unfused@cpu").at("recheck").at("known_by"), "it is compiled into this program");
    // A message there and back; our own calls wait for none.
    EXPECT_GT(kernels.at("mha/attend@outside").at("transport_seconds"), 0);
    EXPECT_EQ(kernels.at("mha/attend@outside").at("workspace_bytes"), 8 * 16);
  }
}

class ExternalFault : public testing::TestWithParam<std::pair<const char*, const char*>> {};

TEST_P(ExternalFault, CostsOnlyItsOwnRow) {
  const auto [kernel, reason] = GetParam();
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  // Above it nothing here takes long, on a loaded machine either.
  const bool hangs = std::string(kernel).starts_with("hangs");
  const auto result =
      external_run(out, std::string("attend,") + kernel, {"--kernel-timeout", hangs ? "10" : "60"});
  EXPECT_EQ(result.exit_code, 4) << result.err;
  const auto id = std::string("mha/") + kernel + "@outside";
  const auto failures = failures_in(out);
  ASSERT_EQ(failures.size(), 1u);
  EXPECT_THAT(failures.at(id), HasSubstr(reason));
  const auto samples = samples_in(out);
  EXPECT_EQ(samples.at("mha/attend@outside"), kQuickSamples);
  EXPECT_EQ(samples.at("mha/unfused@cpu"), kQuickSamples);
}

INSTANTIATE_TEST_SUITE_P(
    Kernels, ExternalFault,
    testing::Values(std::pair("crashes", "its program crashed with SIGSEGV at 'time'"),
                    std::pair("crashes_later", "its program crashed with SIGSEGV at 'time'"),
                    std::pair("hangs", "did not finish within 10 s"),
                    std::pair("hangs_later", "gave no result within 10 s"),
                    std::pair("prints", "not a message: '\"hello, world\"'"),
                    std::pair("refuses", "threw: no such algorithm"),
                    std::pair("falls_back", "'the reference' ran, not 'attention of the test': its log"),
                    std::pair("reports_a_hundredth", "the host waited"),
                    std::pair("reports_less_later", "recheck: it reports"),
                    std::pair("makes_fewer_calls", "it made 0 of 1 calls"),
                    std::pair("changes_inputs", "it changed its inputs")),
    [](const auto& test) { return test.param.first; });

TEST(ExternalEngine, OneThatCrashesWhenAskedForItsSupportIsNotSupported) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto result = external_run(out, "attend,crashes_when_asked");
  EXPECT_EQ(result.exit_code % 3, 0) << result.err;
  const auto store = Store::open(out, Store::Mode::read);
  const auto cell = store.cells(store.runs().front().id).front();
  const auto asked = std::find_if(cell.kernels.begin(), cell.kernels.end(), [](const auto& kernel) {
    return kernel.id() == "mha/crashes_when_asked@outside";
  });
  ASSERT_NE(asked, cell.kernels.end());
  EXPECT_EQ(asked->support_reason, "its program crashed with SIGSEGV at 'supports'");
  EXPECT_EQ(samples_in(out).at("mha/attend@outside"), kQuickSamples);
}

TEST(ExternalEngine, PassesAllShapesOfItsKind) {
  const auto right = attnbench({"verify", "--plugin", ATTNBENCH_EXTERNAL_ENGINE, "--kernel", "attend@outside",
                                "--shapes", "4", "--dtype", "f32"});
  EXPECT_EQ(right.exit_code, 0) << right.out << right.err;
  EXPECT_THAT(right.out, Not(HasSubstr("FAILED")));
  EXPECT_THAT(attnbench({"list", "--plugin", ATTNBENCH_EXTERNAL_ENGINE}).out, HasSubstr("not_confirmed"));
}

/// A script in the directory that ends as the engine of the test, once `before` was run.
std::string engine_script(const TemporaryDirectory& directory, const std::string& before) {
  const auto file = directory.file("engine.sh");
  std::ofstream(file) << "#!/bin/sh\n" << before << "\nexec " << ATTNBENCH_EXTERNAL_ENGINE << "\n";
  chmod(file.c_str(), 0755);
  return file;
}

TEST(ExternalEngine, AnotherFileOrVersionIsRefusedByAResume) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto version = directory.file("version");
  std::ofstream(version) << "1.0";
  const auto engine = engine_script(directory, "export ATTNBENCH_TEST_VERSION=$(cat " + version + ")");
  ASSERT_EQ(external_run(out, "attend", {}, engine).exit_code % 3, 0);
  std::ofstream(version) << "1.1";
  const auto other_version = external_run(out, "attend", {}, engine);
  EXPECT_EQ(other_version.exit_code, 2);
  EXPECT_THAT(other_version.err, HasSubstr("the library versions differs"));
  EXPECT_THAT(other_version.err, HasSubstr("\"outside library\":\"1.1\""));
  std::ofstream(version) << "1.0";
  EXPECT_EQ(external_run(out, "attend", {}, engine).exit_code % 3, 0);
  std::ofstream(engine, std::ios::app) << "# changed\n";
  const auto other_file = external_run(out, "attend", {}, engine);
  EXPECT_EQ(other_file.exit_code, 2);
  EXPECT_THAT(other_file.err, HasSubstr("the plugin differs: stored engine.sh "));
}

TEST(ExternalEngine, AProgramThatIsNoEngineIsNamed) {
  const TemporaryDirectory directory;
  const auto error_of = [&](const std::string& text, int mode = 0755) {
    const auto file = directory.file("engine");
    std::ofstream(file) << text;
    chmod(file.c_str(), static_cast<mode_t>(mode));
    const auto result = attnbench({"list", "--plugin", file});
    EXPECT_EQ(result.exit_code, 2);
    return result.err;
  };
  EXPECT_THAT(error_of("#!/bin/sh\nexit 3\n"), HasSubstr("its program exited with code 3 at 'hello'"));
  EXPECT_THAT(error_of("#!/bin/sh\necho good morning\n"), HasSubstr("not a message: 'good morning'"));
  EXPECT_THAT(error_of("#!/bin/sh\necho '{\"type\":\"hello\",\"protocol\":9}'\n"),
              HasSubstr("says of itself: protocol: '9' is not 1"));
  EXPECT_THAT(error_of("#!/bin/sh\necho '{\"type\":\"hello\",\"protocol\":1,\"engine\":\"a/b\"}'\n"),
              HasSubstr("engine: 'a/b' is no name"));
  EXPECT_THAT(error_of("#!/bin/sh\necho '{\"type\":\"hello\",\"protocol\":1,\"engine\":\"a\",\"versions\":{},"
                       "\"kernels\":[{\"kernel\":\"k\",\"mechanisms\":[\"mho\"]}]}'\n"),
              HasSubstr("mechanisms: 'mho' is not a kind of mechanism"));
  EXPECT_THAT(error_of("no program\n"), HasSubstr("plugin: "));
}

TEST(ExternalEngine, OneThatCannotRunHereSaysWhyInItsRows) {
  const TemporaryDirectory directory;
  const auto file = directory.file("engine");
  std::ofstream(file)
      << "#!/bin/sh\necho '{\"type\":\"hello\",\"protocol\":1,\"engine\":\"away\",\"versions\":{},"
         "\"unavailable\":\"its library is not here\",\"kernels\":[{\"kernel\":\"k\","
         "\"mechanisms\":[\"mha\"],\"implementation\":\"\"}]}'\nread -r line\nread -r line\n";
  chmod(file.c_str(), 0755);
  const auto out = directory.file("s.db");
  const auto result = external_run(out, "k", {}, file);
  EXPECT_EQ(result.exit_code % 3, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("its library is not here"));
}

/// Running processes of a program, by its path: their ids.
std::vector<pid_t> processes_of(const std::string& program) {
  std::vector<pid_t> found;
  for (const auto& entry : fs::directory_iterator("/proc")) {
    std::error_code gone;
    const auto target = fs::read_symlink(entry.path() / "exe", gone);
    if (!gone && target == program) found.push_back(std::stoi(entry.path().filename().string()));
  }
  return found;
}

bool comes_true(const std::function<bool()>& condition) {
  for (int n = 0; n < 2000; ++n) {
    if (condition()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

TEST(ExternalEngine, EndsWithItsWorkerWhateverItIsDoing) {
  for (const std::string kernel : {"hangs_later", "attend"}) {
    const TemporaryDirectory directory;
    const auto engine = directory.file("engine");
    fs::copy_file(ATTNBENCH_EXTERNAL_ENGINE, engine);
    const pid_t run = testing_support::start_attnbench({"run",
                                                        "smoke",
                                                        "--accept-noise",
                                                        "--scope",
                                                        "core",
                                                        "--dtype",
                                                        "f32",
                                                        "--mechanism",
                                                        "mha",
                                                        "--seqlen",
                                                        "16",
                                                        "--threads",
                                                        "1",
                                                        "--kernel",
                                                        "unfused," + kernel,
                                                        "--plugin",
                                                        engine,
                                                        "--ceilings",
                                                        testing_support::ceilings_file(),
                                                        "--out",
                                                        directory.file("s.db")});
    ASSERT_TRUE(comes_true([&] { return !processes_of(engine).empty(); }));
    ASSERT_TRUE(comes_true([&] { return !testing_support::workers(engine).empty(); }));
    kill(run, SIGKILL);
    for (const auto worker : testing_support::workers(engine)) kill(worker, SIGKILL);
    int status = 0;
    waitpid(run, &status, 0);
    EXPECT_TRUE(comes_true([&] {
      for (const auto worker : testing_support::workers(engine)) kill(worker, SIGKILL);
      return processes_of(engine).empty();
    })) << kernel;
  }
}

}  // namespace
}  // namespace attnbench
