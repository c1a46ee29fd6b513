#include "run/bound_call.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <limits>
#include <thread>

#include "attnbench/cpu_device.h"
#include "reference/inputs.h"

namespace attnbench {
namespace {

class NoBinding final : public Binding {
 public:
  void write(Role) override {}
  void read(Role) override {}
  void poison(Role) override {}
};

/// Every call waits as long as told; reports what it is told.
class Reporting final : public Execution {
 public:
  Reporting(double wait_seconds, std::function<Timing(double, std::int64_t)> report)
      : wait_seconds_(wait_seconds), report_(std::move(report)) {}
  std::unique_ptr<Binding> bind(const Tensors&) override { return std::make_unique<NoBinding>(); }
  Timing time(std::span<Binding* const>, std::int64_t runs, Queue&) override {
    const auto start = std::chrono::steady_clock::now();
    for (std::int64_t run = 0; run < runs; ++run)
      std::this_thread::sleep_for(std::chrono::duration<double>(wait_seconds_));
    return report_(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count(), runs);
  }
  std::int64_t workspace_bytes() const override { return 0; }
  Implementation implementation() const override { return {}; }

 private:
  double wait_seconds_;
  std::function<Timing(double, std::int64_t)> report_;
};

Problem one_row() {
  Problem problem;
  problem.shape.softmax_scale = 1;
  problem.mechanism = bind_kv_heads(parse_mechanism("mha"), 1, 1);
  return problem;
}

/// What is wrong with two calls of which this is reported, given the true seconds; empty if nothing.
std::string complaint(const std::function<Timing(double, std::int64_t)>& report, double wait_seconds = 0,
                      bool whole_time = false) {
  const auto problem = one_row();
  const auto data = reference::make_data(problem, reference::InputKind::normal, 1, false);
  Reporting execution(wait_seconds, report);
  const auto queue = CpuDevice().make_queue();
  BoundCall call(execution, problem, data.tensors, *queue);
  try {
    if (whole_time) {
      call.require_whole_time();
    } else {
      call.run(2);
    }
  } catch (const WrongTiming& wrong) {
    return wrong.what();
  }
  return {};
}

std::function<Timing(double, std::int64_t)> always(double seconds) {
  return [seconds](double, std::int64_t runs) { return Timing{seconds, runs}; };
}

TEST(BoundCall, AcceptsTimesThatCanBeTrue) {
  EXPECT_EQ(complaint(always(1e-9)), "");
  EXPECT_EQ(complaint([](double seconds, std::int64_t runs) { return Timing{seconds, runs}; }), "");
}

TEST(BoundCall, RefusesTimesThatCannot) {
  using testing::HasSubstr;
  EXPECT_THAT(complaint(always(0)), HasSubstr("reports 0 s for 2 calls; the host waited"));
  EXPECT_THAT(complaint(always(-1)), HasSubstr("reports -1 s"));
  EXPECT_THAT(complaint(always(std::numeric_limits<double>::quiet_NaN())), HasSubstr("reports nan s"));
  EXPECT_THAT(complaint(always(1e6)), HasSubstr("reports 1e+06 s"));
}

TEST(BoundCall, FindsReportsOfAPartOfTheTime) {
  const auto a_third = [](double seconds, std::int64_t runs) { return Timing{seconds / 3, runs}; };
  const auto all = [](double seconds, std::int64_t runs) { return Timing{seconds, runs}; };
  EXPECT_THAT(complaint(a_third, 5e-3, true), testing::HasSubstr("it reports"));
  EXPECT_EQ(complaint(all, 5e-3, true), "");
}

TEST(BoundCall, CountsCalls) {
  EXPECT_EQ(complaint([](double seconds, std::int64_t) { return Timing{seconds, 1}; }),
            "it made 1 of 2 calls");
  EXPECT_EQ(complaint([](double seconds, std::int64_t) { return Timing{seconds, 3}; }),
            "it made 3 of 2 calls");
}

}  // namespace
}  // namespace attnbench
