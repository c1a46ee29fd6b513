#include "store/noise_flags.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <span>
#include <string>

#include "report/summary.h"
#include "report/summary_check.h"
#include "report/table.h"
#include "unit/synthetic_run.h"

namespace attnbench {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

const char* const kOnEfficiencyCores = "more than 5 % of the CPU time on efficiency cores";
const char* const kSlowSentinel = "the sentinel took 1.25 times as long as in the fastest process, or longer";

TEST(NoiseFlags, AreWhatRejectsNothingAndIsTold) {
  EXPECT_THAT(noise_flags({{"thermal_state", "fair"},
                           {"low_power_mode", true},
                           {"efficiency_core_share", 0.0501},
                           {"steal_share", 0.5}}),
              ElementsAre("thermal state 'fair'", "Low Power Mode", kOnEfficiencyCores));
  EXPECT_THAT(
      noise_flags({{"thermal_state", "nominal"}, {"low_power_mode", false}, {"efficiency_core_share", 0.05}}),
      IsEmpty());
  EXPECT_THAT(
      noise_flags(
          {{"thermal_state", 3}, {"low_power_mode", "on"}, {"efficiency_core_share", "not readable"}}),
      IsEmpty());
  EXPECT_THAT(noise_flags(json()), IsEmpty());
}

/// Five processes of one cell. The third ran a quarter of its time on efficiency cores; the sentinel of the
/// fourth took 1.3 times as long as that of the first, that of the fifth 1.2 times; all of it is said of a
/// sixth, which is rejected.
SyntheticRun on_two_kinds_of_cores() {
  SyntheticRun run;
  const auto cell =
      run.add_cell(128, {SyntheticRun::kernel("mha", "unfused"), SyntheticRun::kernel("mha", "fused")});
  run.add_five(cell, {0.5}, {0.01});
  run.add_process(cell, 5, 2, [](std::size_t, int) { return 1e-3; });
  auto& processes = run.contents.processes;
  const auto set_sentinel = [&](std::size_t process, double seconds) {
    for (auto& sample : processes[process].samples) {
      if (sample.role == "sentinel") sample.time_seconds = seconds;
    }
  };
  (*processes[2].noise)["efficiency_core_share"] = 0.25;
  set_sentinel(3, 1.3e-3);
  set_sentinel(4, 1.2e-3);
  (*processes[5].noise)["efficiency_core_share"] = 0.25;
  (*processes[5].noise)["low_power_mode"] = true;
  processes[5].valid = false;
  processes[5].reason = "thermal state 'serious' (limit 'fair')";
  set_sentinel(5, 1e-4);  // what is rejected is nobody's measure
  (*run.contents.run.environment)["cpu"]["core_kinds"] = {{{"name", "Performance"}},
                                                          {{"name", "Efficiency"}}};
  return run;
}

TEST(NoiseFlags, ProcessesThatSeemToHaveRunOnEfficiencyCoresAreFlaggedAndCount) {
  const auto run = on_two_kinds_of_cores();
  const auto analysis = analyzed(run);
  EXPECT_EQ(analysis.noise.processes, 6);
  EXPECT_EQ(analysis.noise.rejected, 1);
  const auto& by_process = analysis.noise.by_process;
  ASSERT_EQ(by_process.size(), 6u);
  EXPECT_THAT(by_process[0].flags, IsEmpty());
  EXPECT_THAT(by_process[2].flags, ElementsAre(kOnEfficiencyCores));
  EXPECT_THAT(by_process[3].flags, ElementsAre(kSlowSentinel));
  EXPECT_THAT(by_process[4].flags, IsEmpty());
  ASSERT_EQ(analysis.noise.flags.size(), 2u) << "the rejected one has its reason";
  EXPECT_EQ(analysis.noise.flags[0].flag, kOnEfficiencyCores);
  EXPECT_EQ(analysis.noise.flags[0].count, 1);
  EXPECT_EQ(analysis.noise.flags[1].flag, kSlowSentinel);
  EXPECT_EQ(analysis.noise.flags[1].count, 1);
  EXPECT_EQ(analysis.groups[0].cells[0].judged_processes, 5);
}

TEST(NoiseFlags, WhereAllCoresAreAlikeASlowSentinelIsNoFlag) {
  auto run = on_two_kinds_of_cores();
  (*run.contents.run.environment)["cpu"]["core_kinds"].erase(1);
  EXPECT_THAT(analyzed(run).noise.by_process[3].flags, IsEmpty());
  run.contents.run.environment->at("cpu").erase("core_kinds");
  EXPECT_THAT(analyzed(run).noise.by_process[3].flags, IsEmpty());
}

TEST(NoiseFlags, StandInTableAndSummary) {
  const auto run = on_two_kinds_of_cores();
  const auto analysis = analyze(std::span(&run.contents, 1));
  EXPECT_THAT(run_table(analysis.runs[0]), HasSubstr("flagged, counted all the same: 1 of 5 processes: " +
                                                     std::string(kOnEfficiencyCores)));
  const auto summary = summary_json(analysis, {});
  EXPECT_NO_THROW(check_summary(summary));
  EXPECT_EQ(summary["runs"][0]["noise"]["flags"], json::array({{{"flag", kOnEfficiencyCores}, {"count", 1}},
                                                               {{"flag", kSlowSentinel}, {"count", 1}}}));
  EXPECT_EQ(summary["runs"][0]["noise"]["by_process"][2]["flags"], json({kOnEfficiencyCores}));
}

}  // namespace
}  // namespace attnbench
