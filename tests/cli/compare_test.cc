#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "store/store.h"
#include "support/command.h"
#include "unit/synthetic_run.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing_support::attnbench;
using testing_support::TemporaryDirectory;

/// A store of two kernels in five processes; linear takes `linear` times as long, both `all` times.
std::string store_of(const std::string& file, double linear, double all = 1, std::int64_t seqlen = 128,
                     const std::string& machine_key = "0123456789abcdef") {
  SyntheticRun run;
  run.contents.run.machine_key = machine_key;
  auto& cell = run.add_cell(
      seqlen, {SyntheticRun::kernel("mha", "unfused"), SyntheticRun::kernel("linear", "two_gemm")});
  run.add_five(cell, {-std::log(linear)}, {0.001}, all);
  Store::open(file, Store::Mode::write).add_contents(std::vector{run.contents});
  return file;
}

TEST(CompareCommand, PassesOnlyWhatIsShownNotToBeSlower) {
  const TemporaryDirectory directory;
  const auto before = store_of(directory.file("old.db"), 1);
  const auto same = store_of(directory.file("same.db"), 1);
  const auto slower = store_of(directory.file("slower.db"), 1.5);
  const auto twice = store_of(directory.file("twice.db"), 1, 2);
  const auto longer = store_of(directory.file("longer.db"), 1, 1, 256);
  const auto elsewhere = store_of(directory.file("elsewhere.db"), 1, 1, 128, "fedcba9876543210");
  const std::vector<std::tuple<std::vector<std::string>, int, std::string>> cases = {
      {{before, same},
       0,
       "\nPASSED: 0 regressions, 0 lost kernels, 0 kernels not decided; 1 kernel is shown"},
      {{before, same, "--absolute"}, 0, "\nPASSED: 0 regressions"},
      {{before, slower}, 1, "\nREGRESSION: 1 regression"},
      {{before, slower, "--threshold", "60%"}, 0, "passed, EQUIVALENT ±60 %\n"},
      {{before, twice}, 3, "slower build or slower machine"},
      {{before, twice, "--absolute"}, 1, "\nREGRESSION: 2 regressions"},
      {{before, longer}, 3, "not decided: not measured by the new one"},
      {{before, elsewhere}, 0, "measured on different machines"},
      {{before, elsewhere, "--absolute"}, 2, "absolute: 'Test [0123]; Test [fedc]' are two machines"},
  };
  for (const auto& [files, exit_code, text] : cases) {
    std::vector<std::string> arguments{"compare"};
    arguments.insert(arguments.end(), files.begin(), files.end());
    const auto result = attnbench(arguments);
    EXPECT_EQ(result.exit_code, exit_code) << text << result.out << result.err;
    EXPECT_THAT(testing_support::on_one_line(result.out + result.err),
                HasSubstr(testing_support::on_one_line(text)));
  }
}

TEST(CompareCommand, JsonHasTheOutcomeOfEachRow) {
  const TemporaryDirectory directory;
  const auto result = attnbench(
      {"compare", store_of(directory.file("old.db"), 1), store_of(directory.file("new.db"), 1.5), "--json"});
  EXPECT_EQ(result.exit_code, 1);
  const auto compared = nlohmann::json::parse(result.out);
  EXPECT_EQ(compared["outcome"], "regression");
  EXPECT_EQ(compared["basis"], "relative");
  EXPECT_EQ(compared["rows"][0]["outcome"], "baseline");
  EXPECT_EQ(compared["rows"][1]["outcome"], "regression");
  EXPECT_EQ(compared["rows"][1]["verdict"], "SLOWER");
  EXPECT_NEAR(compared["rows"][1]["ratio"]["estimate"], 1 / 1.5, 1e-9);
}

// "2" may mean 2 %, and as a share would let all pass.
TEST(CompareCommand, AThresholdIsAShareBelowOne) {
  for (const auto* threshold : {"2", "1", "100%", "1e9", "-1%", "nan"}) {
    const auto result = attnbench({"compare", "a.db", "b.db", "--threshold", threshold});
    EXPECT_EQ(result.exit_code, 2) << threshold;
    EXPECT_THAT(result.err, HasSubstr(std::string("threshold: '") + threshold + "' is not a share below 1"));
  }
}

}  // namespace
}  // namespace attnbench
