#include "run/worker/slot_timer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

namespace attnbench {
namespace {

/// Call i takes script[i] seconds; the last value repeats.
class Script {
 public:
  explicit Script(std::vector<double> seconds) : seconds_(std::move(seconds)) {}
  double operator()(std::int64_t calls) {
    double sum = 0;
    for (std::int64_t call = 0; call < calls; ++call) sum += seconds_[std::min(made++, seconds_.size() - 1)];
    return sum;
  }
  std::size_t made = 0;

 private:
  std::vector<double> seconds_;
};

int prime_calls(std::vector<double> seconds) { return prime(Script(std::move(seconds)), TimingRules{}); }

TEST(Priming, EndsWhenTwoSuccessiveCallsAgree) {
  EXPECT_EQ(prime_calls({3e-5, 2e-5, 1e-5, 1.01e-5, 9}), 4);
  EXPECT_EQ(prime_calls({1e-5, 1.021e-5, 1.03e-5}), 3);
}

TEST(Priming, OneCallSufficesAboveFiveMilliseconds) {
  EXPECT_EQ(prime_calls({5.1e-3, 1}), 1);
  EXPECT_EQ(prime_calls({4.9e-3, 4.9e-3}), 2);
}

TEST(Priming, GivesUpAfterTwentyCalls) {
  std::vector<double> restless;
  for (int i = 0; i < 40; ++i) restless.push_back(i % 2 == 0 ? 1e-5 : 2e-5);
  EXPECT_EQ(prime_calls(restless), 20);
}

TEST(Batch, IsLongEnough) {
  const TimingRules rules;
  EXPECT_EQ(batch_calls_for(1e-4, rules), 10);
  EXPECT_EQ(batch_calls_for(3e-4, rules), 4);
  EXPECT_EQ(batch_calls_for(2e-3, rules), 1);
  EXPECT_EQ(batch_calls_for(0, rules), 1);
}

TEST(WarmUp, EndsWhenTheMediansOfTwoWindowsAgree) {
  const auto result = warm_up(Script({9e-5, 8e-5, 7e-5, 6e-5, 5e-5, 1e-5}), 50, 2, TimingRules{});
  EXPECT_TRUE(result.settled);
  EXPECT_EQ(result.calls, 15);  // windows: 5..9, 1, 1
}

TEST(WarmUp, IsFlaggedWhenALimitEndsIt) {
  double next = 1e-5;
  const auto slower_each_time = [&](std::int64_t) { return next *= 1.05; };
  const auto by_calls = warm_up(slower_each_time, 50, 2, TimingRules{});
  EXPECT_FALSE(by_calls.settled);
  EXPECT_EQ(by_calls.calls, 50);
  const auto by_time = warm_up(Script({0.2}), 50, 0.5, TimingRules{});
  EXPECT_FALSE(by_time.settled);
  EXPECT_EQ(by_time.calls, 3);
}

}  // namespace
}  // namespace attnbench
