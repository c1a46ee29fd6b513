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
#include "support/variable.h"

namespace attnbench {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;
using testing_support::attnbench;
using testing_support::TemporaryDirectory;
using testing_support::Variable;
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
                     "unfused@cpu," + kernels,
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

constexpr int kSamplesOfTheRun = 3 * 10;

TEST(ExternalEngine, IsVerifiedMeasuredAndReported) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto result = external_run(out, "attend,not_confirmed");
  ASSERT_EQ(result.exit_code % 3, 0) << result.err;
  EXPECT_EQ(samples_in(out), (std::map<std::string, int>{{"mha/attend@outside", kSamplesOfTheRun},
                                                         {"mha/not_confirmed@outside", kSamplesOfTheRun},
                                                         {"mha/unfused@cpu", kSamplesOfTheRun}}));
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

/// A script in the directory that ends as the engine of the test, once `before` was run.
std::string engine_script(const TemporaryDirectory& directory, const std::string& before) {
  const auto file = directory.file("engine.sh");
  std::ofstream(file) << "#!/bin/sh\n" << before << "\nexec " << ATTNBENCH_EXTERNAL_ENGINE << "\n";
  chmod(file.c_str(), 0755);
  return file;
}

/// Kernel `faulty` with this fault costs its own row alone, for this reason.
void expect_own_row_lost(const std::string& kernel, const std::string& reason, const Arguments& more = {},
                         const std::string& engine = ATTNBENCH_EXTERNAL_ENGINE) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto result = external_run(out, "attend," + kernel, more, engine);
  EXPECT_EQ(result.exit_code, 4) << result.err;
  const auto failures = failures_in(out);
  ASSERT_EQ(failures.size(), 1u);
  EXPECT_THAT(failures.at("mha/" + kernel + "@outside"), HasSubstr(reason));
  const auto samples = samples_in(out);
  EXPECT_EQ(samples.at("mha/attend@outside"), kSamplesOfTheRun);
  EXPECT_EQ(samples.at("mha/unfused@cpu"), kSamplesOfTheRun);
}

using ExternalFault = testing::TestWithParam<std::pair<const char*, const char*>>;

TEST_P(ExternalFault, CostsOnlyItsOwnRow) {
  const auto [kernel, reason] = GetParam();
  // Above it nothing here takes long, on a loaded machine either.
  const bool hangs = std::string(kernel).starts_with("hangs");
  expect_own_row_lost(kernel, reason, {"--kernel-timeout", hangs ? "10" : "60"});
}

INSTANTIATE_TEST_SUITE_P(
    Kernels, ExternalFault,
    testing::Values(std::pair("crashes_later", "its program crashed with SIGSEGV at 'time'"),
                    std::pair("hangs_later", "gave no result within 10 s"),
                    std::pair("refuses", "threw: no such algorithm"),
                    std::pair("falls_back", "'the reference' ran, not 'attention of the test': its log"),
                    std::pair("reports_a_hundredth", "the host waited"),
                    std::pair("reports_less_later", "recheck: it reports"),
                    std::pair("makes_fewer_calls", "it made 0 of 1 calls"),
                    std::pair("changes_inputs", "it changed its inputs")),
    [](const auto& test) { return test.param.first; });

using FaultyStep = testing::TestWithParam<std::pair<const char*, const char*>>;

TEST_P(FaultyStep, CostsOnlyItsOwnRow) {
  const auto [fault, reason] = GetParam();
  const Variable variable("ATTNBENCH_TEST_FAULT", fault);
  const bool hangs = std::string(fault).starts_with("hangs");
  expect_own_row_lost("faulty", reason, {"--kernel-timeout", hangs ? "10" : "60"});
}

INSTANTIATE_TEST_SUITE_P(
    Steps, FaultyStep,
    testing::Values(
        std::pair("crashes supports", "its program crashed with SIGSEGV at 'supports' when asked"),
        std::pair("exits prepare", "its program exited with code 3 at 'prepare'"),
        std::pair("crashes bind", "its program crashed with SIGSEGV at 'bind'"),
        std::pair("crashes time", "its program crashed with SIGSEGV at 'time'"),
        std::pair("crashes implementation", "its program crashed with SIGSEGV at 'implementation'"),
        std::pair("hangs supports", "gave no result within 10 s while planning"),
        std::pair("hangs prepare", "did not finish within 10 s while preparing"),
        std::pair("hangs implementation", "did not finish within 10 s while computing input 'normal'"),
        std::pair("prints supports", "its program printed what is not a message: '\"hello, world\"'"),
        std::pair("prints time", "its program printed what is not a message: '\"hello, world\"'"),
        std::pair("answers_another bind", "its program answered 'bind' with 'good morning'"),
        std::pair("says_nothing supports", "reason"), std::pair("says_nothing time", "seconds"),
        std::pair("says_nothing implementation", "ran")),
    [](const auto& test) {
      std::string name = test.param.first;
      std::replace(name.begin(), name.end(), ' ', '_');
      return name;
    });

/// Lines in the file: how often a script ran that adds one.
std::ptrdiff_t lines_of(const std::string& file) {
  std::ifstream in(file);
  return std::count(std::istreambuf_iterator<char>(in), {}, '\n');
}

TEST(ExternalEngine, StartsAsOftenForTwoKernelsAsForOneAndForKernelsOfOthersNotAtAll) {
  const auto starts = [](const std::string& kernels) {
    const TemporaryDirectory directory;
    const auto engine = engine_script(directory, "echo >> " + directory.file("count"));
    external_run(directory.file("s.db"), kernels, {}, engine);
    return lines_of(directory.file("count"));
  };
  const auto one = starts("attend");
  EXPECT_EQ(starts("attend,not_confirmed"), one);
  EXPECT_EQ(starts("attend,fused@cpu"), one);
}

/// One that does not start any more, once it has started so often: in workers that verify, that measure.
TEST(ExternalEngine, OneThatStopsStartingCostsItsOwnRows) {
  for (const std::string starts : {"2", "5"}) {
    const TemporaryDirectory directory;
    const auto count = directory.file("count");
    const auto engine = engine_script(
        directory, "echo >> " + count + "\ntest $(wc -l < " + count + ") -le " + starts + " || exit 3");
    const auto out = directory.file("s.db");
    const auto result = external_run(out, "attend", {}, engine);
    EXPECT_EQ(result.exit_code, 4) << result.err;
    EXPECT_THAT(failures_in(out).at("mha/attend@outside"),
                HasSubstr("is not registered in this build; plugin: '" + engine +
                          "' its program exited with code 3 at 'hello'"));
    EXPECT_EQ(samples_in(out).at("mha/unfused@cpu"), kSamplesOfTheRun);
  }
}

TEST(ExternalEngine, OneThatCrashesWhenAskedForItsSupportFailsThere) {
  const Variable variable("ATTNBENCH_TEST_FAULT", "crashes supports");
  const auto result = attnbench({"verify", "--plugin", ATTNBENCH_EXTERNAL_ENGINE, "--kernel",
                                 "faulty@outside,attend@outside", "--shapes", "1", "--dtype", "f32"});
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_THAT(result.out, HasSubstr("FAILED: faulty@outside f32"));
  EXPECT_THAT(result.out, HasSubstr("threw: its program crashed with SIGSEGV at 'supports'"));
  EXPECT_THAT(result.out, Not(HasSubstr("FAILED: attend@outside")));
}

TEST(ExternalEngine, PassesAllShapesOfItsKind) {
  const auto right = attnbench({"verify", "--plugin", ATTNBENCH_EXTERNAL_ENGINE, "--kernel", "attend@outside",
                                "--shapes", "4", "--dtype", "f32"});
  EXPECT_EQ(right.exit_code, 0) << right.out << right.err;
  EXPECT_THAT(right.out, Not(HasSubstr("FAILED")));
  EXPECT_THAT(attnbench({"list", "--plugin", ATTNBENCH_EXTERNAL_ENGINE}).out, HasSubstr("not_confirmed"));
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
  EXPECT_THAT(error_of("#!/bin/sh\necho '{\"type\":\"hello\",\"protocol\":1,\"engine\":\"a\",\"versions\":{},"
                       "\"kernels\":[{\"kernel\":\"k\",\"mechanisms\":[\"mha\"],\"implementation\":\"\","
                       "\"device\":\"cuda\"}]}'\n"),
              HasSubstr("device: 'cuda' does not share the host's memory: 'copies' must be true"));
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

/// On a device of another plugin, whose memory the program's kernels pretend to use.
testing_support::CommandResult verify_on_device(const std::string& kernel) {
  return attnbench({"verify", "--plugin", ATTNBENCH_REMOTE_ENGINE, "--plugin", ATTNBENCH_EXTERNAL_ENGINE,
                    "--device", "remote:0", "--kernel", kernel + "@outside", "--shapes", "4", "--dtype",
                    "f32"});
}

TEST(ExternalEngine, ComputesOnCopiesForADevice) {
  const auto right = verify_on_device("remote");
  EXPECT_EQ(right.exit_code, 0) << right.out << right.err;
  const auto unread = verify_on_device("remote_reads_nothing");
  EXPECT_EQ(unread.exit_code, 4);
  EXPECT_THAT(unread.out, HasSubstr("nothing was written to o, or it was not fetched"));
  const auto elsewhere = verify_on_device("attend");
  EXPECT_EQ(elsewhere.exit_code, 3);
  EXPECT_THAT(elsewhere.out, HasSubstr("computes on device cpu, not on remote:0"));
  const auto on_cpu = attnbench({"verify", "--plugin", ATTNBENCH_EXTERNAL_ENGINE, "--kernel",
                                 "remote@outside", "--shapes", "1", "--dtype", "f32"});
  EXPECT_THAT(on_cpu.out, HasSubstr("computes on device remote, not on cpu"));
}

TEST(ExternalEngine, IsMeasuredOnADevice) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto result = attnbench(testing_support::small_run(
      out, {"--mechanism", "mha", "--seqlen", "16", "--device", "remote:0", "--baseline", "mha/attend@remote",
            "--kernel", "attend@remote,remote@outside,remote_keeps_v@outside", "--plugin",
            ATTNBENCH_REMOTE_ENGINE, "--plugin", ATTNBENCH_EXTERNAL_ENGINE}));
  EXPECT_EQ(result.exit_code, 4) << result.err;
  EXPECT_EQ(samples_in(out), (std::map<std::string, int>{{"mha/attend@remote", kSamplesOfTheRun},
                                                         {"mha/remote@outside", kSamplesOfTheRun}}));
  EXPECT_THAT(failures_in(out).at("mha/remote_keeps_v@outside"),
              HasSubstr("it does not follow new values of v"));
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

/// Whether all threads of a process have stopped.
bool is_stopped(pid_t process) {
  std::ifstream file("/proc/" + std::to_string(process) + "/stat");
  const std::string text(std::istreambuf_iterator<char>(file), {});
  const auto state = text.rfind(") ");
  return state != std::string::npos && text[state + 2] == 'T';
}

pid_t start_run(const std::string& engine, const std::string& out, const std::string& kernels) {
  return testing_support::start_attnbench(
      testing_support::small_run(out, {"--mechanism", "mha", "--seqlen", "16", "--kernel", kernels,
                                       "--plugin", engine, "--plugin", ATTNBENCH_BAD_KERNELS}));
}

/// How a run, or its worker, ends before its time.
enum class Ending { run_killed, worker_killed, interrupted };

class LostRun : public testing::TestWithParam<std::pair<Ending, const char*>> {};

TEST_P(LostRun, LeavesNothingOfTheEngineBehind) {
  const auto [ending, kernel] = GetParam();
  const TemporaryDirectory directory;
  const auto engine = directory.file("engine");
  fs::copy_file(ATTNBENCH_EXTERNAL_ENGINE, engine);
  const auto hangs = directory.file("hangs");
  const Variable variable("ATTNBENCH_TEST_HANGS", hangs);
  // The child is there once a call was timed; the engine's program then rests while another kernel hangs.
  const bool has_child = std::string(kernel) == "starts_a_child";
  const pid_t run = start_run(engine, directory.file("s.db"),
                              std::string("unfused@cpu,") + (has_child ? "hangs_timed," : "") + kernel);
  ASSERT_TRUE(comes_true([&] {
    const auto processes = processes_of(engine);
    const bool rests = processes.size() >= 2 && std::all_of(processes.begin(), processes.end(), is_stopped);
    return !testing_support::workers(engine).empty() && (has_child ? rests : fs::exists(hangs));
  }));
  kill(run, ending == Ending::interrupted ? SIGINT : SIGKILL);
  if (ending == Ending::worker_killed) {
    for (const auto worker : testing_support::workers(engine)) kill(worker, SIGKILL);
  }
  int status = 0;
  waitpid(run, &status, 0);
  EXPECT_TRUE(comes_true([&] { return processes_of(engine).empty(); }));
  EXPECT_TRUE(comes_true([&] { return testing_support::workers(engine).empty(); }));
  for (const auto process : processes_of(engine)) kill(process, SIGKILL);
}

TEST(ExternalEngine, NothingIsLeftOfAVerificationThatIsEnded) {
  const Variable fault("ATTNBENCH_TEST_FAULT", "hangs time");
  for (const int signal_number : {SIGKILL, SIGINT}) {
    const TemporaryDirectory directory;
    const auto engine = directory.file("engine");
    fs::copy_file(ATTNBENCH_EXTERNAL_ENGINE, engine);
    const auto hangs = directory.file("hangs");
    const Variable variable("ATTNBENCH_TEST_HANGS", hangs);
    const pid_t verify = testing_support::start_attnbench(
        {"verify", "--plugin", engine, "--kernel", "faulty@outside", "--shapes", "1", "--dtype", "f32"});
    ASSERT_TRUE(comes_true([&] { return !testing_support::workers(engine).empty(); }));
    ASSERT_TRUE(comes_true([&] { return fs::exists(hangs); }));
    kill(verify, signal_number);
    int status = 0;
    waitpid(verify, &status, 0);
    EXPECT_TRUE(comes_true([&] { return processes_of(engine).empty(); }));
    EXPECT_TRUE(comes_true([&] { return testing_support::workers(engine).empty(); }));
    for (const auto process : processes_of(engine)) kill(process, SIGKILL);
  }
}

std::string way_in_words(const testing::TestParamInfo<LostRun::ParamType>& test) {
  const char* const ways[] = {"RunKilled", "WorkerKilled", "Interrupted"};
  const bool at_rest = std::string(test.param.second) == "starts_a_child";
  return std::string(ways[static_cast<int>(test.param.first)]) +
         (at_rest ? "AtRestWithAChild" : "WhileItHangs");
}

INSTANTIATE_TEST_SUITE_P(Ways, LostRun,
                         testing::Values(std::pair(Ending::run_killed, "hangs_later"),
                                         std::pair(Ending::worker_killed, "hangs_later"),
                                         std::pair(Ending::interrupted, "starts_a_child"),
                                         std::pair(Ending::run_killed, "starts_a_child"),
                                         std::pair(Ending::worker_killed, "starts_a_child")),
                         way_in_words);

}  // namespace
}  // namespace attnbench
