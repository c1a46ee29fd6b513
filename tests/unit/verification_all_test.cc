#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "run/verification/verify_all.h"
#include "support/sanitizer.h"
#include "support/simple_kernel.h"
#include "support/simple_worker.h"

namespace attnbench {
namespace {

using test::Fault;
using test::SimpleKernel;
using testing::AllOf;
using testing::HasSubstr;

struct Summary {
  std::int64_t passed = 0, unsupported = 0;
  std::vector<std::string> failures;
};

std::vector<Summary> verify(const std::vector<const KernelInfo*>& kernels, double seconds_per_case = 30) {
  VerifyAllOptions options;
  options.kernels = kernels;
  options.mechanisms = {MechanismKind::mha, MechanismKind::linear};
  options.dtypes = {DType::f32};
  options.shapes = {verify_shapes().pairwise.front(), verify_shapes().hard.front()};
  options.threads = 1;
  options.memory_bytes = std::int64_t{1} << 28;
  options.seconds_per_case = seconds_per_case;
  options.worker = test::simple_worker();
  std::vector<Summary> summaries;
  const auto add = [&](const KernelVerdict& verdict) {
    Summary summary;
    summary.passed = verdict.passed;
    for (const auto& [reason, count] : verdict.unsupported) summary.unsupported += count;
    for (const auto& f : verdict.failures) summary.failures.push_back(f.case_name + ": " + f.reason);
    summaries.push_back(summary);
  };
  verify_all(options, add, [](const std::string&) {});
  return summaries;
}

TEST(VerifyAll, CountsCasesOfTheMechanismsAKernelComputes) {
  const SimpleKernel kernel;
  const auto summary = verify({&kernel}).at(0);
  EXPECT_EQ(summary.passed, 2 * 6);  // two shapes of mha, six inputs; linear is not among its mechanisms
  EXPECT_THAT(summary.failures, testing::IsEmpty());
}

TEST(VerifyAll, GoesOnAfterACrash) {
  const SimpleKernel crashing(Fault::crashes_on_rising), whole;
  const auto summaries = verify({&crashing, &whole});
  EXPECT_EQ(summaries.at(0).passed, 10);
  ASSERT_EQ(summaries.at(0).failures.size(), 2u);
  EXPECT_THAT(summaries.at(0).failures.front(),
              AllOf(HasSubstr("pairwise 1 mha 'rising' on 1 thread: "), HasSubstr("crashed with SIGSEGV")));
  EXPECT_EQ(summaries.at(1).passed, 12);
}

TEST(VerifyAll, AHangIsAFailureOfItsCase) {
  const SimpleKernel hanging(Fault::hangs);
  const auto summary = verify({&hanging}, 0.2).at(0);
  EXPECT_EQ(summary.passed, 0);
  ASSERT_EQ(summary.failures.size(), 7u);  // five restarts, then no more
  EXPECT_THAT(summary.failures.front(), HasSubstr("did not finish within 0.2 s"));
  EXPECT_EQ(summary.failures.back(), "the cases after: not run: it was given up");
}

TEST(VerifyAll, MemoryIsLimited) {
  if (testing_support::under_allocating_sanitizer()) GTEST_SKIP();
  const SimpleKernel hog(Fault::eats_memory);
  const auto summary = verify({&hog}).at(0);
  ASSERT_EQ(summary.failures.size(), 12u);
  EXPECT_THAT(summary.failures.front(), HasSubstr("ran out of memory (limit 268435456 bytes)"));
}

}  // namespace
}  // namespace attnbench
