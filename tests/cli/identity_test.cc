#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "attnbench/cpu_device.h"
#include "store/sqlite.h"
#include "store/store.h"
#include "support/command.h"

// A run is of one program, one set of plugins, one machine and one CPU set, in every one of its processes.

namespace attnbench {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::Not;
using testing_support::TemporaryDirectory;
using Words = std::vector<std::string>;

/// One small cell: worker 1 probes, 2 verifies, each further one measures a process of the three.
Words identity_run_with_own_ceilings(const std::string& out, const Words& more = {}) {
  Words words = {
      "run",       "smoke", "--accept-noise", "--scope", "core",  "--dtype", "f32", "--mechanism", "mha",
      "--threads", "1",     "--seqlen",       "16",      "--out", out};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

/// The same where the workers that probe are of the machine and CPU set of this process.
Words identity_run(const std::string& out, const Words& more = {}) {
  auto words = identity_run_with_own_ceilings(out, more);
  words.insert(words.end(), {"--ceilings", testing_support::ceilings_file()});
  return words;
}

/// A script that starts workers, and does `shell` before those whose number, from 1, fits the pattern.
std::string launcher(const TemporaryDirectory& directory, const std::string& numbers,
                     const std::string& shell) {
  auto file = directory.file("launch");
  const auto count = directory.file("count");
  std::ofstream(file) << "#!/bin/sh\nn=$(($(cat " << count << " 2>/dev/null || echo 0) + 1))\necho $n > "
                      << count << "\ncase $n in " << numbers << ") " << shell << ";; esac\nexec \"$@\"\n";
  fs::permissions(file, fs::perms::owner_all);
  return file;
}

std::string file_bytes(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

/// The environment of this program, with its build id.
nlohmann::json environment() {
  return nlohmann::json::parse(testing_support::attnbench({"env", "--json", "--no-ceilings"}).out)
      .at("environment");
}

/// Writes this program with another build id, as a rebuilt one has. Returns that id.
std::string write_other_build(const std::string& file) {
  const auto id = environment().at("build").at("build_id").get<std::string>();
  std::string note;
  for (std::size_t i = 0; i < id.size(); i += 2)
    note += static_cast<char>(std::stoi(id.substr(i, 2), nullptr, 16));
  auto program = file_bytes(testing_support::program());
  const auto at = program.find(note);
  EXPECT_NE(at, std::string::npos);
  const bool was_zero = program[at] == 0;
  program[at] = was_zero ? '\1' : '\0';
  std::ofstream(file, std::ios::binary) << program;
  fs::permissions(file, fs::perms::owner_all);
  return (was_zero ? "01" : "00") + id.substr(2);
}

std::size_t processes_in(const std::string& out) {
  const auto store = Store::open(out, Store::Mode::read);
  std::size_t count = 0;
  for (const auto& [run, record] : store.runs()) {
    for (const auto& cell : store.cells(run)) count += store.processes(run, cell.cell_id).size();
  }
  return count;
}

/// Makes the store like one of a version that did not record what all workers have in common.
void forget_workers(const std::string& out) {
  sqlite::Connection(out, SQLITE_OPEN_READWRITE)
      .execute("UPDATE run SET environment_json = json_remove(environment_json, '$.workers')");
}

/// A worker's number and how many processes are in the store before it.
class ChangedInMidRun : public testing::TestWithParam<std::pair<const char*, std::size_t>> {};

TEST_P(ChangedInMidRun, AProgramThatWasReplacedEndsTheRun) {
  const auto [number, kept] = GetParam();
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto program = directory.file("program");
  const auto other = directory.file("other");
  fs::copy_file(testing_support::program(), program);
  const auto other_id = write_other_build(other);
  const auto script = launcher(directory, number, "mv " + other + " " + program);
  const auto result =
      testing_support::attnbench(identity_run(out, {"--launcher", script, "--worker-program", program}));
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_THAT(result.err,
              HasSubstr("launcher: '" + script +
                        "' started another worker than those before it: the build "
                        "was " +
                        environment().at("build").at("build_id").get<std::string>() + ", now " + other_id));
  EXPECT_THAT(result.err, HasSubstr("what was measured until then is kept"));
  EXPECT_EQ(processes_in(out), kept);
}

TEST_P(ChangedInMidRun, AnotherMachineEndsTheRun) {
  const auto [number, kept] = GetParam();
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto script =
      launcher(directory, number,
               "\"$@\" | sed -u 's/\"machine_key\":\"[^\"]*\"/\"machine_key\":\"feedfacefeedface\"/'; exit");
  const auto result = testing_support::attnbench(identity_run(out, {"--launcher", script}));
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_THAT(result.err, HasSubstr("the machine was "));
  EXPECT_THAT(result.err, HasSubstr(", now feedfacefeedface"));
  EXPECT_EQ(processes_in(out), kept);
  // The launcher reaches the right machine again: the same command goes on.
  const auto again = testing_support::attnbench(identity_run(out, {"--launcher", script}));
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(processes_in(out), 3u);
}

INSTANTIATE_TEST_SUITE_P(Phases, ChangedInMidRun, testing::Values(std::pair("2", 0u), std::pair("4", 1u)),
                         [](const auto& test) { return test.param.second == 0 ? "verifying" : "measuring"; });

TEST(Identity, AnotherMachineOfTheSameKindEndsTheRun) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto script =
      launcher(directory, "4", "\"$@\" | sed -u 's/\"boot_id\":\"[^\"]*\"/\"boot_id\":\"another\"/'; exit");
  const auto result = testing_support::attnbench(identity_run(out, {"--launcher", script}));
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_THAT(result.err, HasSubstr("the boot of the machine was "));
  EXPECT_EQ(processes_in(out), 1u);
}

class Plugin : public testing::Test {
 protected:
  void SetUp() override { fs::copy_file(ATTNBENCH_BAD_KERNELS, plugin_); }
  testing_support::CommandResult run(const Words& more = {}) {
    auto words = identity_run(out_, {"--kernel", "unfused,good", "--plugin", plugin_});
    words.insert(words.end(), more.begin(), more.end());
    return testing_support::attnbench(words);
  }

  const TemporaryDirectory directory_;
  const std::string out_ = directory_.file("s.db");
  const std::string plugin_ = directory_.file("libmine.so");
};

TEST_F(Plugin, BuiltAnewIsRefusedBeforeAnythingIsMeasured) {
  ASSERT_EQ(run().exit_code, 0);
  std::ofstream(plugin_, std::ios::app) << "\n";
  const auto result = run();
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("the plugin differs: stored libmine.so "));
  EXPECT_EQ(processes_in(out_), 3u);
}

TEST_F(Plugin, BuiltAnewInMidRunEndsIt) {
  const auto result = run({"--launcher", launcher(directory_, "4", "echo >> " + plugin_)});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("the plugin was libmine.so "));
  EXPECT_EQ(processes_in(out_), 1u);
}

TEST_F(Plugin, IsAskedForWhereTheCommandThatResumesForgetsIt) {
  ASSERT_EQ(run({"--launcher", launcher(directory_, "[4-6]", "exit 255")}).exit_code, 2);
  const auto result =
      testing_support::attnbench({"run", "--out", out_, "--ceilings", testing_support::ceilings_file()});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("was measured with the plugin libmine.so: name it with --plugin"));
  const auto resumed = testing_support::attnbench(
      {"run", "--out", out_, "--plugin", plugin_, "--ceilings", testing_support::ceilings_file()});
  EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
}

TEST_F(Plugin, IsAskedForByAStoreThatDoesNotNameIt) {
  ASSERT_EQ(run({"--launcher", launcher(directory_, "[4-6]", "exit 255")}).exit_code, 2);
  forget_workers(out_);
  const auto result =
      testing_support::attnbench({"run", "--out", out_, "--ceilings", testing_support::ceilings_file()});
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_THAT(result.err,
              HasSubstr("kernel: 'mha/good@test' is of a plugin that is not loaded: name it with --plugin"));
  EXPECT_EQ(testing_support::attnbench({"analyze", out_}).exit_code, 0);
}

/// Lets programs started from now on use one CPU alone.
class OneCpu {
 public:
  OneCpu() {
    sched_getaffinity(0, sizeof before_, &before_);
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(static_cast<std::size_t>(allowed_cpus().front()), &one);
    sched_setaffinity(0, sizeof one, &one);
  }
  ~OneCpu() { sched_setaffinity(0, sizeof before_, &before_); }

 private:
  cpu_set_t before_;
};

TEST(Identity, AnotherCpuSetIsRefused) {
  if (allowed_cpus().size() < 2) GTEST_SKIP() << "this machine has one CPU";
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  ASSERT_EQ(testing_support::attnbench(identity_run(out)).exit_code, 0);
  const auto first = std::to_string(allowed_cpus().front());
  {
    const OneCpu here;
    const auto result = testing_support::attnbench(identity_run_with_own_ceilings(out));
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.err, HasSubstr("the CPU set differs: stored "));
    EXPECT_THAT(result.err, HasSubstr(", now " + first + ";"));
  }
  EXPECT_EQ(processes_in(out), 3u);
}

// A store that does not tell which CPUs were allowed holds those that each cell used.
TEST(Identity, OtherCpusOfACellAreRefused) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  ASSERT_EQ(testing_support::attnbench(identity_run(out)).exit_code, 0);
  forget_workers(out);
  sqlite::Connection(out, SQLITE_OPEN_READWRITE).execute("UPDATE cell SET cpus_json = '[0,1,2]'");
  const auto result = testing_support::attnbench(identity_run(out));
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("the CPU set of core-prefill-hot-f32-bhsd-b1-h"));
  EXPECT_THAT(result.err, HasSubstr("differs: stored 0-2, now "));
}

TEST(Identity, CpusAreThoseAtTheStartWhateverOpenMpBinds) {
  if (allowed_cpus().size() < 2) GTEST_SKIP() << "this machine has one CPU";
  const auto before = environment().at("cpu").at("allowed_cpus");
  setenv("OMP_PROC_BIND", "true", 1);
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto bound = environment();
  const auto result = testing_support::attnbench(identity_run(out));
  unsetenv("OMP_PROC_BIND");
  EXPECT_EQ(bound.at("cpu").at("allowed_cpus"), before);
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto stored = *Store::open(out, Store::Mode::read).runs().front().run.environment;
  EXPECT_EQ(stored.at("cpu").at("allowed_cpus"), before);
  EXPECT_EQ(stored.at("workers").at("allowed_cpus"), before);
}

TEST(Identity, ARunOnAPartOfTheCpusIsReproducedThere) {
  if (allowed_cpus().size() < 2) GTEST_SKIP() << "this machine has one CPU";
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  {
    const OneCpu here;
    ASSERT_EQ(testing_support::attnbench(identity_run_with_own_ceilings(out)).exit_code, 0);
  }
  ASSERT_EQ(testing_support::attnbench({"analyze", out, "--out", directory.file("a.json")}).exit_code, 0);
  const auto set = nlohmann::json::parse(file_bytes(directory.file("a.json"))).at("runs").at(0).at("cpu_set");
  const auto first = std::to_string(allowed_cpus().front());
  EXPECT_EQ(set.at("allowed"), first);
  EXPECT_EQ(set.at("command"), "taskset -c " + first);
  EXPECT_EQ(set.at("used"),
            nlohmann::json::parse(R"([{"threads": 1, "cpus": ")" + first + R"(", "cores": null}])"));
}

// The old build says by itself what its kernels execute; here it is this program, told another number.
TEST(Identity, EachBuildOfAPairCountsItsOwnWork) {
  const TemporaryDirectory directory;
  const auto out = directory.file("pair.db");
  const auto old = directory.file("old");
  std::ofstream(old) << "#!/bin/sh\nATTNBENCH_TEST_FLOPS=1e30 exec " << testing_support::program()
                     << " \"$@\"\n";
  fs::permissions(old, fs::perms::owner_all);
  const auto result = testing_support::attnbench(
      identity_run(out, {"--kernel", "unfused,counts", "--plugin", ATTNBENCH_BAD_KERNELS, "--against", old}));
  EXPECT_EQ(result.exit_code, 4) << result.err;
  const auto store = Store::open(out, Store::Mode::read);
  ASSERT_EQ(store.runs().size(), 2u);
  for (const auto& [run, record] : store.runs()) {
    const bool is_old = record.plan->at("pair").at("role") == "old";
    const auto processes = store.processes(run, store.cells(run).front().cell_id);
    ASSERT_EQ(processes.size(), 3u);
    const auto& facts = processes.front().kernels->at("mha/counts@test");
    EXPECT_EQ(facts.at("executed_flops"), is_old ? 1e30 : 1.0);
    for (const auto& sample : processes.front().samples) {
      if (sample.kernel_id == "mha/counts@test" && sample.role == "kernel") {
        EXPECT_EQ(sample.valid, !is_old);
        if (is_old) {
          EXPECT_THAT(sample.reason, testing::MatchesRegex("IMPOSSIBLE: [0-9.e+]+ GFLOP/s is .*"));
        }
      }
    }
  }
}

TEST(Identity, BuildsOnTwoMachinesAreNoPair) {
  const TemporaryDirectory directory;
  const auto out = directory.file("pair.db");
  // Worker 1 probes for this build, 2 for the other.
  const auto script =
      launcher(directory, "2",
               "\"$@\" | sed -u 's/\"machine_key\":\"[^\"]*\"/\"machine_key\":\"feedfacefeedface\"/'; exit");
  const auto result = testing_support::attnbench(
      identity_run_with_own_ceilings(out, {"--launcher", script, "--against", testing_support::program()}));
  EXPECT_EQ(result.exit_code, 2) << result.err;
  EXPECT_THAT(result.err, HasSubstr("against: '" + testing_support::program() +
                                    "' has workers elsewhere: the machine of this build's is "));
  EXPECT_THAT(result.err, HasSubstr(", of its own feedfacefeedface"));
}

TEST(Identity, AStoreGoesOnByThePlanItHolds) {
  const TemporaryDirectory directory;
  const auto out = directory.file("own.db");
  const auto script = launcher(directory, "[4-6]|[89]|10", "exit 255");
  ASSERT_EQ(testing_support::attnbench(identity_run(out, {"--seed", "7", "--launcher", script})).exit_code,
            2);
  ASSERT_EQ(processes_in(out), 4u);  // one that is valid, three whose worker did not start
  const auto named = testing_support::attnbench(
      {"run", "smoke", "--out", out, "--launcher", script, "--ceilings", testing_support::ceilings_file()});
  EXPECT_EQ(named.exit_code, 2) << named.err;
  EXPECT_THAT(named.err, HasSubstr("own.db goes on by its own plan: attnbench run smoke --accept-noise"));
  const auto bare =
      testing_support::attnbench({"run", "--out", out, "--ceilings", testing_support::ceilings_file()});
  EXPECT_EQ(bare.exit_code, 0) << bare.err;
  const auto store = Store::open(out, Store::Mode::read);
  ASSERT_EQ(store.runs().size(), 1u);
  const auto cells = store.cells(store.runs().front().id);
  ASSERT_EQ(cells.size(), 1u);
  const auto processes = store.processes(store.runs().front().id, cells.front().cell_id);
  EXPECT_EQ(std::count_if(processes.begin(), processes.end(), [](const auto& p) { return p.valid; }), 3);
}

TEST(Identity, AnotherPlanIsRefusedWhereTheCommandLineGivesOne) {
  const TemporaryDirectory directory;
  const auto out = directory.file("own.db");
  ASSERT_EQ(testing_support::attnbench(identity_run(out)).exit_code, 0);
  const std::pair<Words, const char*> plans[] = {
      {{"long"}, "the study differs: stored smoke, now long"},
      {{"--profile", "spec"}, "the profile differs: stored quick, now spec"},
      {{"smoke", "--seed", "2"}, "the seed differs: stored 1, now 2"},
      {{"smoke", "--accept-noise", "--seqlen", "32"},
       "the plan differs: stored attnbench run smoke --accept-noise --scope core"}};
  for (const auto& [words, said] : plans) {
    Words command = {"run", "--out", out, "--ceilings", testing_support::ceilings_file()};
    command.insert(command.end(), words.begin(), words.end());
    const auto result = testing_support::attnbench(command);
    EXPECT_EQ(result.exit_code, 2);
    EXPECT_THAT(result.err, HasSubstr(said));
  }
}

// One query over 4096 keys sees 33 of them with either mask: a kernel that reads no others is not too fast.
TEST(Identity, KernelsThatSkipKeysInDecodeAreRanked) {
  const TemporaryDirectory directory;
  const auto study = directory.file("decode.toml");
  std::ofstream(study) << R"toml(name = "one_query"
description = "One query over 4096 keys"
[[cells]]
scope = "core"
phase = "decode"
condition = "hot"
dtype = "f32"
layout = "bhsd"
threads = 1
batch = 1
heads = 2
head_dim = 64
seqlen_q = 1
seqlen_kv = 4096
softmax_scale = "rsqrt"
mechanisms = ["swa(w=64)", "block_sparse(bs=32,globals=1)"]
baseline = "swa(w=64)/masked@cpu"
)toml";
  const auto out = directory.file("s.db");
  const auto result = testing_support::attnbench({"run", study, "--accept-noise", "--out", out});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, Not(HasSubstr("impossible")));
}

}  // namespace
}  // namespace attnbench
