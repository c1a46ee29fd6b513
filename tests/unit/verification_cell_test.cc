#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "attnbench/cpu_device.h"
#include "attnbench/error.h"
#include "run/verification/verify_cell.h"
#include "support/sanitizer.h"
#include "support/simple_kernel.h"
#include "support/simple_worker.h"
#include "unit/reference_fixture.h"

namespace attnbench {
namespace {

using test::Fault;
using test::simple_worker;
using test::SimpleKernel;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

VerificationRecord verify(Fault fault, double seconds = 20) {
  const SimpleKernel kernel(fault);
  const VerificationTarget target{reference::small_problem("mha", 40, 40, 2, 0, 16), &kernel};
  VerificationOutcome outcome;
  VerificationLimits limits;
  limits.seconds = seconds;
  limits.memory_bytes = std::int64_t{1} << 29;
  limits.seed = 5;
  verify_cell("cell", std::span(&target, 1), CpuDevice{}, limits, simple_worker(),
              [&](const auto& o) { outcome = o; });
  EXPECT_EQ(outcome.unsupported_reason, "");
  EXPECT_EQ(outcome.record.cell_id, "cell");
  EXPECT_EQ(outcome.record.kernel_id, "mha/" + std::string(kernel.kernel()) + "@test");
  EXPECT_EQ(outcome.record.passed, outcome.record.reason.empty());
  return outcome.record;
}

TEST(VerifyCell, RecordsAWholeKernel) {
  const auto record = verify(Fault::none);
  EXPECT_TRUE(record.passed) << record.reason;
  EXPECT_GT(record.tolerance, 0);
  EXPECT_LE(record.max_error, record.tolerance);
  EXPECT_GT(record.plain_error, 0);
  EXPECT_GT(record.median_call_seconds, 0);
  EXPECT_GT(record.first_call_seconds, 0);
  EXPECT_EQ(record.rerun_bitwise, true);
  EXPECT_EQ(record.unchanged_alone, true);
  EXPECT_EQ(record.unchanged_in_batch, true);
  EXPECT_EQ(record.unchanged_threads, true);
}

TEST(VerifyCell, SaysInWordsWhatWentWrong) {
  EXPECT_THAT(verify(Fault::crashes).reason,
              "crashed with SIGSEGV while computing input 'normal' for the first time");
  EXPECT_THAT(verify(Fault::crashes_on_rising).reason, "crashed with SIGSEGV while computing input 'rising'");
  EXPECT_THAT(verify(Fault::hangs, 1).reason,
              "did not finish within 1 s while computing input 'normal' for the first time");
  EXPECT_THAT(verify(Fault::throws).reason,
              "threw: no such instruction while computing input 'normal' for the first time");
  EXPECT_THAT(verify(Fault::gives_nan).reason, "input 'normal': o[batch 0, head 0, row 0] column 0 is nan");
  EXPECT_THAT(verify(Fault::inputs_overwritten).reason, AllOf(HasSubstr("input '"), HasSubstr("'")));
  EXPECT_THAT(verify(Fault::writes_beside).reason, "input 'normal': it wrote outside of o");
  EXPECT_THAT(verify(Fault::rescale_skipped).reason, HasSubstr("expected"));
  EXPECT_THAT(verify(Fault::flushes_denormals).reason, HasSubstr("floating-point control state"));
}

TEST(VerifyCell, MemoryIsLimited) {
  if (testing_support::under_allocating_sanitizer()) GTEST_SKIP();
  EXPECT_THAT(verify(Fault::eats_memory).reason,
              HasSubstr("ran out of memory (limit 0.5 GiB) while computing"));
}

TEST(VerifyCell, OneBadKernelCostsOnlyItsOwnRow) {
  const SimpleKernel good, bad(Fault::crashes);
  const auto mha = reference::small_problem("mha", 20, 20);
  const auto linear = reference::small_problem("linear", 20, 20);
  const std::vector<VerificationTarget> targets = {{mha, &bad}, {mha, &good}, {linear, &good}};
  std::vector<std::string> seen;
  verify_cell(
      "cell", targets, CpuDevice{}, VerificationLimits{}, simple_worker(), [&](const VerificationOutcome& o) {
        const auto copy =
            messages::read<messages::Outcome>(nlohmann::json::parse(to_json(messages::Outcome{o}).dump()))
                .outcome;
        seen.push_back(!copy.unsupported_reason.empty() ? copy.unsupported_reason
                       : copy.record.passed             ? "passed"
                                                        : copy.record.reason);
      });
  EXPECT_THAT(seen, ElementsAre(HasSubstr("SIGSEGV"), "passed", "it computes softmax mechanisms"));
}

TEST(VerifyCell, AKernelDamagesOnlyItsOwnInputs) {
  const SimpleKernel good, bad(Fault::inputs_overwritten);
  const auto mha = reference::small_problem("mha", 20, 20);
  const std::vector<VerificationTarget> targets = {{mha, &bad}, {mha, &good}};
  std::vector<std::string> seen;
  verify_cell("cell", targets, CpuDevice{}, VerificationLimits{}, simple_worker(),
              [&](const VerificationOutcome& o) { seen.push_back(o.record.reason); });
  EXPECT_THAT(seen, ElementsAre(HasSubstr("input '"), ""));
}

TEST(VerifyCell, AWorkerThatDoesNotStartIsNoFaultOfTheKernel) {
  const SimpleKernel good;
  const VerificationTarget target{reference::small_problem("mha", 20, 20), &good};
  const auto verify_with = [&](std::vector<std::string> words) {
    const Program program{.words = std::move(words)};
    verify_cell("cell", std::span(&target, 1), CpuDevice{}, VerificationLimits{}, program,
                [](const VerificationOutcome&) {});
  };
  EXPECT_THAT([&] { verify_with({"/bin/sh", "-c", "exit 3"}); },
              testing::ThrowsMessage<InputError>(
                  "worker: '/bin/sh -c exit 3' of one kernel exited with code 3 before it was asked"));
  EXPECT_THAT([&] { verify_with({"/bin/sh", "-c", "echo hello"}); },
              testing::ThrowsMessage<InputError>(HasSubstr("printed what no worker says")));
}

/// The CPU, as a device whose driver takes long to start.
class DriverDevice final : public Device {
 public:
  std::string name() const override { return cpu_.name(); }
  std::map<std::string, std::string> identity() const override { return cpu_.identity(); }
  std::unique_ptr<Queue> make_queue() const override { return cpu_.make_queue(); }
  void evict() override {}
  Ceilings ceilings() const override { return {}; }

 private:
  CpuDevice cpu_;
};

/// A SimpleKernel that any device has; it computes in the worker, on the CPU.
class OnAnyDevice final : public KernelInfo {
 public:
  explicit OnAnyDevice(Fault fault = Fault::none) : kernel_(fault) {}
  std::string_view kernel() const override { return kernel_.kernel(); }
  std::string_view engine() const override { return kernel_.engine(); }
  bool made_here() const override { return true; }
  std::vector<MechanismKind> mechanisms() const override { return kernel_.mechanisms(); }
  Support supports(const Problem&, const Device&) const override { return Support::yes(); }
  std::unique_ptr<Execution> prepare(const Problem&, const Device&) const override { return nullptr; }
  double executed_flops(const Problem& problem) const override { return kernel_.executed_flops(problem); }
  std::int64_t workspace_bytes(const Problem&, const Device&) const override { return 0; }

 private:
  SimpleKernel kernel_;
};

/// Verifies on a device; the reasons, and how many processes it took.
std::pair<std::vector<std::string>, std::int64_t> verify_on(const Device& device,
                                                            const std::vector<const KernelInfo*>& kernels) {
  const auto starts = testing::TempDir() + "attnbench_starts_" + std::to_string(getpid());
  std::remove(starts.c_str());
  auto worker = simple_worker();
  const std::vector<std::string> counted = {"/bin/sh", "-c", "echo >> " + starts + "; exec \"$@\"", "sh"};
  worker.words.insert(worker.words.begin(), counted.begin(), counted.end());
  std::vector<VerificationTarget> targets;
  for (const auto* kernel : kernels) targets.push_back({reference::small_problem("mha", 20, 20), kernel});
  std::vector<std::string> reasons;
  verify_cell("cell", targets, device, VerificationLimits{}, worker,
              [&](const VerificationOutcome& o) { reasons.push_back(o.record.reason); });
  std::ifstream lines(starts);
  const auto count = std::count(std::istreambuf_iterator<char>(lines), {}, '\n');
  std::remove(starts.c_str());
  return {reasons, count};
}

TEST(VerifyCell, KernelsShareAProcessWhereADriverStartsSlowly) {
  const OnAnyDevice good;
  EXPECT_EQ(verify_on(CpuDevice{}, {&good, &good, &good}).second, 3);
  EXPECT_EQ(verify_on(DriverDevice{}, {&good, &good, &good}).second, 1);
}

// One that fails where others were before it is verified alone, and nobody after it in its process.
TEST(VerifyCell, WhatFailsInASharedProcessIsVerifiedAlone) {
  const OnAnyDevice good, bad(Fault::inputs_overwritten);
  const auto [reasons, processes] = verify_on(DriverDevice{}, {&good, &bad, &good});
  EXPECT_THAT(reasons, ElementsAre("", HasSubstr("input '"), ""));
  EXPECT_EQ(processes, 3);
  EXPECT_EQ(verify_on(DriverDevice{}, {&bad, &good}).second, 2);
}

}  // namespace
}  // namespace attnbench
