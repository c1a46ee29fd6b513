#include "run/noise/noise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "run/noise/thresholds.h"

namespace attnbench {
namespace {

using nlohmann::json;
using testing::HasSubstr;

constexpr const char* kStat =
    "cpu  300 30 60 1000 70 6 9 24 0 0\n"
    "cpu0 100 10 20 500 30 2 3 8 0 0\n"
    "cpu1 200 20 40 500 40 4 6 16 50 50\n"
    "cpu10 1 1 1 1 1 1 1 1 0 0\n"
    "intr 5\nctxt 7\n";

TEST(Noise, CpuTicksOfASet) {
  const auto one = parse_cpu_ticks(kStat, {0}).value();
  EXPECT_EQ(one.busy, 100 + 10 + 20 + 2 + 3);
  EXPECT_EQ(one.steal, 8);
  const auto both = parse_cpu_ticks(kStat, {0, 1}).value();
  EXPECT_EQ(both.busy, 135 + 270);
  EXPECT_EQ(both.steal, 24);
  EXPECT_FALSE(parse_cpu_ticks(kStat, {0, 2}));
  EXPECT_FALSE(parse_cpu_ticks(kStat, {}));
  EXPECT_FALSE(parse_cpu_ticks("", {0}));
  EXPECT_FALSE(parse_cpu_ticks("cpu0 1 2 3\n", {0}));
  EXPECT_FALSE(parse_cpu_ticks("cpu0 1 2 x 4 5 6 7 8\n", {0}));
}

TEST(Noise, PressureIsTheTotalOfSome) {
  EXPECT_EQ(parse_pressure_some("some avg10=0.00 avg60=0.08 avg300=0.73 total=16921810\n"
                                "full avg10=0.00 avg60=0.00 avg300=0.00 total=5\n"),
            16921810);
  EXPECT_EQ(parse_pressure_some("full avg10=0.00 total=5\n"), std::nullopt);
  EXPECT_EQ(parse_pressure_some(""), std::nullopt);
}

TEST(Noise, ThrottlingOfBothVersions) {
  const auto v1 = parse_throttling("nr_periods 9\nnr_throttled 3\nthrottled_time 1500000000\n").value();
  EXPECT_EQ(v1.periods, 3);
  EXPECT_DOUBLE_EQ(v1.seconds, 1.5);
  const auto v2 =
      parse_throttling("usage_usec 77\nnr_periods 9\nnr_throttled 4\nthrottled_usec 2500000\n").value();
  EXPECT_EQ(v2.periods, 4);
  EXPECT_DOUBLE_EQ(v2.seconds, 2.5);
  EXPECT_FALSE(parse_throttling("usage_usec 77\nuser_usec 70\n"));  // the root group, which has no limit
}

TEST(Noise, ClockOfASet) {
  const auto* text = "processor\t: 0\ncpu MHz\t\t: 2000.5\n\nprocessor\t: 1\ncpu MHz\t\t: 3000.5\n";
  EXPECT_DOUBLE_EQ(parse_clock_mhz(text, {0, 1}).value(), 2500.5);
  EXPECT_DOUBLE_EQ(parse_clock_mhz(text, {1}).value(), 3000.5);
  EXPECT_EQ(parse_clock_mhz("processor: 0\n", {0}), std::nullopt);
}

NoiseProbe probe_at(double wall, double cpu) {
  NoiseProbe probe;
  probe.wall_seconds = wall;
  probe.cpu_seconds = cpu;
  return probe;
}

TEST(Noise, SharesAreOfTheirOwnTotals) {
  auto start = probe_at(100, 1);
  auto end = probe_at(110, 17);
  start.steal_seconds = 3;
  end.steal_seconds = 3.4;
  start.pressure_seconds = 50;
  end.pressure_seconds = 51;
  start.busy_seconds = 7;
  end.busy_seconds = 25;
  start.throttling = Throttling{2, 0.5};
  end.throttling = Throttling{5, 0.75};
  start.involuntary_switches = 10;
  end.involuntary_switches = 510;
  const auto noise = difference(start, end);
  EXPECT_NEAR(noise["steal_share"].get<double>(), 0.4 / 16, 1e-12);
  EXPECT_NEAR(noise["pressure_share"].get<double>(), 0.1, 1e-12);
  EXPECT_NEAR(noise["others_cpu_seconds"].get<double>(), 2, 1e-12);
  EXPECT_EQ(noise["throttled_periods"], 3);
  EXPECT_DOUBLE_EQ(noise["throttled_seconds"].get<double>(), 0.25);
  EXPECT_EQ(noise["involuntary_switches"], 500);
  EXPECT_DOUBLE_EQ(noise["involuntary_switches_per_second"].get<double>(), 50);
}

// Two workers with 6 and 2 s of CPU time: 0.4 s of steal are 5 % of what both used, and of the other 5 s on
// the CPUs 2 are the neighbour's.
TEST(Noise, WorkersThatTookTurnsShareTheCpus) {
  nlohmann::json first = {{"cpu_seconds", 6}, {"steal_seconds", 0.4}, {"others_cpu_seconds", 5}};
  nlohmann::json second = {
      {"cpu_seconds", 2}, {"steal_seconds", "not readable"}, {"others_cpu_seconds", 6.5}};
  share_turns(std::vector{&first, &second});
  EXPECT_NEAR(first["steal_share"].get<double>(), 0.05, 1e-12);
  EXPECT_NEAR(first["others_cpu_seconds"].get<double>(), 3, 1e-12);
  EXPECT_NEAR(second["others_cpu_seconds"].get<double>(), 0.5, 1e-12);
  EXPECT_FALSE(second.contains("steal_share"));
}

TEST(Noise, WhatCannotBeReadSaysSoAndRejectsNothing) {
  const auto noise = difference(probe_at(1, 1), probe_at(2, 2));
  for (const auto* field : {"steal_share", "pressure_share", "throttled_periods", "clock_mhz_start"})
    EXPECT_EQ(noise.at(field), "not readable") << field;
  EXPECT_EQ(reject_reason(noise), std::nullopt);
  const auto probe = probe_noise({0}, SystemFiles("/nonexistent"));
  EXPECT_FALSE(probe.steal_seconds || probe.pressure_seconds || probe.throttling || probe.clock_mhz);
  EXPECT_GT(probe.wall_seconds, 0);
}

struct RejectCase {
  const char* field;
  double accepted, rejected;
  const char* text;
};
class RejectReason : public testing::TestWithParam<RejectCase> {};

TEST_P(RejectReason, OnBothSidesOfTheThreshold) {
  const auto& c = GetParam();
  EXPECT_EQ(reject_reason({{c.field, c.accepted}}), std::nullopt);
  EXPECT_THAT(reject_reason({{c.field, c.rejected}}).value(), HasSubstr(c.text));
}

INSTANTIATE_TEST_SUITE_P(
    Each, RejectReason,
    testing::Values(RejectCase{"steal_share", 0.02, 0.021, "steal 2.1 % of its CPU time (limit 2 %)"},
                    RejectCase{"pressure_share", 0.05, 0.052, "CPU pressure 5.2 % of the time (limit 5 %)"},
                    RejectCase{"throttled_periods", 0, 1, "throttled in 1 periods (limit 0)"},
                    RejectCase{"sentinel_drift", 0.15, 0.16, "sentinel drifted by 16.0 % (limit 15 %)"}));

// In 10 s its own threads waited for each other for 4. Others computed for 0.4 s of them, then for 0.6.
TEST(Noise, PressureCountsAsFarAsOthersExplainIt) {
  nlohmann::json noise = {{"wall_seconds", 10}, {"pressure_share", 0.4}, {"others_cpu_seconds", 0.4}};
  EXPECT_EQ(reject_reason(noise), std::nullopt);
  noise["others_cpu_seconds"] = 0.6;
  EXPECT_EQ(reject_reason(noise), "CPU pressure 6.0 % of the time (limit 5 %)");
  noise["others_cpu_seconds"] = 8;
  EXPECT_EQ(reject_reason(noise), "CPU pressure 40.0 % of the time (limit 5 %)");
  noise["others_cpu_seconds"] = "not readable";
  EXPECT_EQ(reject_reason(noise), "CPU pressure 40.0 % of the time (limit 5 %)");
}

TEST(Noise, SwitchesAndClockChangesRejectNothingAndAllReasonsAreNamed) {
  EXPECT_EQ(
      reject_reason({{"involuntary_switches", 100000}, {"clock_mhz_start", 4000}, {"clock_mhz_end", 1000}}),
      std::nullopt);
  const auto both = reject_reason({{"steal_share", 0.5}, {"pressure_share", 0.5}}).value();
  EXPECT_THAT(both, HasSubstr("steal 50.0 %"));
  EXPECT_THAT(both, HasSubstr("pressure 50.0 %"));
}

TEST(Noise, SentinelDriftComparesFirstAndLastThird) {
  const std::vector<double> slower = {1, 9, 1, 5, 5, 5, 2, 2, 0.1};
  EXPECT_DOUBLE_EQ(sentinel_drift(slower).value(), 1);
  const std::vector<double> faster = {2, 2, 3, 3, 1, 1};
  EXPECT_DOUBLE_EQ(sentinel_drift(faster).value(), 1);
  const std::vector<double> even = {1, 2, 7, 7, 1.5, 1.5};
  EXPECT_DOUBLE_EQ(sentinel_drift(even).value(), 0);
  const std::vector<double> few = {1, 2};
  EXPECT_EQ(sentinel_drift(few), std::nullopt);
}

}  // namespace
}  // namespace attnbench
