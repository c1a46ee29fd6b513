// Kernels and devices that misbehave before anything is computed.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

#include "store/store.h"
#include "support/command.h"
#include "support/variable.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing_support::attnbench;
using testing_support::TemporaryDirectory;
using testing_support::Variable;

struct PlanningCase {
  const char* fault;
  bool is_failure;  ///< else the kernel is unsupported
  const char* reason;
};
void PrintTo(const PlanningCase& c, std::ostream* out) { *out << c.fault; }

class KernelFaults : public testing::TestWithParam<PlanningCase> {};

TEST_P(KernelFaults, InPlanningCostTheirOwnRow) {
  const Variable fault("ATTNBENCH_TEST_PLANNING", GetParam().fault);
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto result = attnbench(testing_support::small_run(
      out, {"--mechanism", "mha", "--seqlen", "16", "--kernel", "unfused@cpu,good,plans", "--plugin",
            ATTNBENCH_BAD_KERNELS, "--kernel-timeout", "2"}));
  EXPECT_EQ(result.exit_code, GetParam().is_failure ? 4 : 0) << result.err;
  const auto store = Store::open(out, Store::Mode::read);
  const auto run = store.runs().front().id;
  const auto cell = store.cells(run).front();
  std::map<std::string, std::string> reasons;
  for (const auto& kernel : cell.kernels)
    reasons[kernel.kernel] = kernel.support_reason + kernel.quarantine_reason;
  EXPECT_THAT(reasons.at("plans"), HasSubstr(GetParam().reason));
  EXPECT_EQ(reasons.at("good"), "");
  EXPECT_EQ(reasons.at("unfused"), "");
  std::map<std::string, int> samples;
  for (const auto& process : store.processes(run, cell.cell_id)) {
    for (const auto& sample : process.samples) ++samples[sample.kernel_id];
  }
  EXPECT_GT(samples["mha/good@test"], 0);
  EXPECT_EQ(samples["mha/plans@test"], 0);
}

INSTANTIATE_TEST_SUITE_P(
    Cases, KernelFaults,
    testing::Values(PlanningCase{"throws", true, "threw: no supports today when asked what it supports"},
                    PlanningCase{"throws_an_int", true, "threw something that is not a std::exception"},
                    PlanningCase{"crashes", true, "Segmentation fault"},
                    PlanningCase{"crashes_on_memory", true, "Segmentation fault"},
                    PlanningCase{"hangs", true, "gave no result within 2 s"},
                    PlanningCase{"no_reason", false, "no reason given"},
                    PlanningCase{"huge", false, "does not fit in memory"},
                    PlanningCase{"negative", false, "cannot say what memory it needs: it says -7 bytes"}),
    [](const auto& test) { return std::string(test.param.fault); });

struct DeviceCase {
  const char* fault;
  int exit_code;
  const char* message;
};
void PrintTo(const DeviceCase& c, std::ostream* out) { *out << c.fault; }

class DeviceFaults : public testing::TestWithParam<DeviceCase> {};

TEST_P(DeviceFaults, NameTheDevice) {
  const Variable fault("ATTNBENCH_TEST_DEVICE_FAULT", GetParam().fault);
  const TemporaryDirectory directory;
  const auto result = attnbench(testing_support::small_run(
      directory.file("s.db"),
      {"--mechanism", "mha", "--seqlen", "16", "--device", "remote:0", "--baseline", "mha/attend@remote",
       "--plugin", ATTNBENCH_REMOTE_ENGINE, "--kernel", "attend"}));
  EXPECT_EQ(result.exit_code, GetParam().exit_code) << result.err;
  EXPECT_THAT(testing_support::on_one_line(result.out + result.err), HasSubstr(GetParam().message));
}

INSTANTIATE_TEST_SUITE_P(
    Cases, DeviceFaults,
    testing::Values(DeviceCase{"names", 2, "has a device remote:0, and there is one of that name already"},
                    DeviceCase{"name", 2, "device: 'remote:0' calls itself 'remote:7' when it is opened"},
                    DeviceCase{"open", 2, "device: 'remote:0' could not be opened: its engine gave none"},
                    DeviceCase{"ceilings", 2,
                               "device: 'remote:0' has a ceiling that is none: flops_per_second is nan"},
                    DeviceCase{"free_bytes", 2, "no bytes today, while opening device remote:0"},
                    DeviceCase{"queue", 4, "device remote:0 gave no queue: it threw: no queue today"},
                    DeviceCase{"probe", 2, "while reading the state of device remote:0"}),
    [](const auto& test) { return std::string(test.param.fault); });

TEST(Verify, ThatCannotVerifyAnythingSaysSo) {
  const auto result = attnbench({"verify", "--plugin", ATTNBENCH_REMOTE_ENGINE, "--kernel", "@remote",
                                 "--dtype", "f32", "--shapes", "1"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_THAT(result.err, HasSubstr("nothing was verified: no case is supported on device cpu"));
}

TEST(Resume, OfARunOnAPluginsDeviceAsksForThePlugin) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto run = attnbench(testing_support::small_run(
      out, {"--mechanism", "mha", "--seqlen", "16", "--device", "remote:0", "--baseline", "mha/attend@remote",
            "--plugin", ATTNBENCH_REMOTE_ENGINE, "--kernel", "attend"}));
  ASSERT_NE(run.exit_code, 2) << run.err;
  const auto again = attnbench({"run", "--out", out, "--ceilings", testing_support::ceilings_file()});
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_THAT(again.err,
              HasSubstr("was measured with the plugin libremote_engine.so: name it with --plugin"));
}

}  // namespace
}  // namespace attnbench
