#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <nlohmann/json.hpp>

#include "run/verification/child.h"
#include "run/verification/verify_cell.h"
#include "support/sanitizer.h"
#include "support/simple_kernel.h"
#include "unit/reference_fixture.h"

namespace attnbench {
namespace {

using test::Fault;
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
  verify_cell("cell", std::span(&target, 1), Device{}, limits, [&](const auto& o) { outcome = o; });
  EXPECT_EQ(outcome.unsupported_reason, "");
  EXPECT_EQ(outcome.record.cell_id, "cell");
  EXPECT_EQ(outcome.record.kernel_id, "mha/simple@test");
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
  verify_cell("cell", targets, Device{}, VerificationLimits{}, [&](const VerificationOutcome& o) {
    const auto copy = outcome_from_json(nlohmann::json::parse(to_json(o).dump()));
    seen.push_back(!copy.unsupported_reason.empty() ? copy.unsupported_reason
                   : copy.record.passed             ? "passed"
                                                    : copy.record.reason);
  });
  EXPECT_THAT(seen, ElementsAre(HasSubstr("SIGSEGV"), "passed", "it computes softmax mechanisms"));
}

TEST(RunChild, LimitsSilenceOrTheWhole) {
  const auto chatter = [](const ChildSend& send) {
    for (int n = 0; n < 8; ++n) {
      usleep(100'000);
      send({{"n", n}});
    }
  };
  int messages = 0;
  const auto count = [&](const nlohmann::json&) { ++messages; };
  EXPECT_TRUE(run_child(chatter, {.seconds = 0.6}, count).done);
  EXPECT_EQ(messages, 8);
  EXPECT_EQ(run_child(chatter, {.seconds = 0.3, .seconds_are_total = true}, count).reason,
            "did not finish within 0.3 s");
}

TEST(RunChild, TellsExitCodesAndForeignExceptions) {
  const auto ignore = [](const nlohmann::json&) {};
  EXPECT_EQ(run_child([](const ChildSend&) { _exit(3); }, {}, ignore).reason, "exited with code 3");
  EXPECT_EQ(run_child([](const ChildSend&) { throw 7; }, {}, ignore).reason,
            "threw something that is not a std::exception");
}

TEST(RunChild, PrintsNothingToStdout) {
  testing::internal::CaptureStdout();
  run_child([](const ChildSend&) { [[maybe_unused]] const auto n = ::write(STDOUT_FILENO, "noise\n", 6); },
            {}, [](const nlohmann::json&) {});
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "");
}

}  // namespace
}  // namespace attnbench
