// A profile of this machine, measured in workers of the program under test. How much of the grid a machine
// gets through in the budget is its own affair; what it wrote must hold.
#include "tune/tune.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "attnbench/cpu_device.h"
#include "attnbench/registry.h"
#include "core/kernel_name.h"
#include "support/command.h"

namespace attnbench {
namespace {

TuneOptions quick_options() {
  TuneOptions options;
  options.program = testing_support::program();
  options.threads = {1};
  options.dtypes = {DType::f32};
  options.mechanisms = {parse_mechanism("linear")};
  options.budget_seconds = 12;
  options.memory_bytes = std::int64_t{1} << 28;
  options.accept_noise = true;
  return options;
}

TEST(Tune, WritesOnlyTimesOfVerifiedKernelsWithinTheLimits) {
  std::vector<std::string> lines;
  const auto options = quick_options();
  const auto result = tune(options, [&](const std::string& line) { lines.push_back(line); });
  EXPECT_THAT(result.failures, testing::IsEmpty());
  if (!result.profile) {
    EXPECT_EQ(result.refused, "too little was measured within the budget: name a larger one");
    return;
  }
  const auto& profile = *result.profile;
  EXPECT_EQ(profile.origin, origin_here(cpu_device(1)));
  EXPECT_FALSE(profile.costs.empty());
  EXPECT_GE(result.processes, 2);
  for (const auto& cost : profile.costs) {
    const auto verified = [&](const VerifiedKernel& v) {
      return v.kernel == cost.kernel && v.kind == kind_of(cost.problem);
    };
    EXPECT_TRUE(std::any_of(profile.verified.begin(), profile.verified.end(), verified)) << cost.kernel;
    EXPECT_EQ(cost.threads, 1);
    EXPECT_GT(cost.log_error, 0);
    EXPECT_EQ(cost.problem.mechanism.kind, MechanismKind::linear);
  }
  const auto text = to_text(profile);
  EXPECT_EQ(to_text(parse_profile_text(text, "profile")), text);
}

TEST(Tune, WithoutTimeNothingIsWritten) {
  auto options = quick_options();
  options.budget_seconds = 0.001;
  const auto result = tune(options, [](const std::string&) {});
  EXPECT_FALSE(result.profile);
  EXPECT_EQ(result.refused, "too little was measured within the budget: name a larger one");
}

}  // namespace
}  // namespace attnbench
