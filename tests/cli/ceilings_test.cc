#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "store/store.h"
#include "support/command.h"

// Ceilings from a file instead of a measurement: what is stored, what they still rule out, what is refused.

namespace attnbench {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::HasSubstr;
using testing_support::TemporaryDirectory;

json measured_page() { return json::parse(std::ifstream(testing_support::ceilings_file())); }

struct RunBy {
  TemporaryDirectory directory;
  testing_support::CommandResult result;

  /// A run on one thread by the ceilings of this page.
  explicit RunBy(const json& page, const std::string& threads = "1") {
    std::ofstream(directory.file("env.json")) << page;
    result = testing_support::attnbench({"run", "smoke", "--accept-noise", "--scope", "core", "--dtype",
                                         "f32", "--threads", threads, "--mechanism", "linear", "--kernel",
                                         "two_gemm", "--seqlen", "16", "--ceilings",
                                         directory.file("env.json"), "--out", directory.file("s.db")});
  }
  json environment() const {
    return *Store::open(directory.file("s.db"), Store::Mode::read).runs().front().run.environment;
  }
};

TEST(CeilingsOfAFile, AreStoredWithTheTimeAtWhichTheyWereMeasured) {
  const auto page = measured_page();
  const RunBy run(page);
  EXPECT_EQ(run.result.exit_code, 0) << run.result.err;
  EXPECT_EQ(run.environment().at("ceilings"), json({{"1", page.at("ceilings")}}));
  EXPECT_EQ(run.environment().at("ceilings_measured_before"), json({{"1", page.at("measured_utc")}}));
  EXPECT_THAT(testing_support::on_one_line(run.result.out), HasSubstr("; ceilings measured before the run"));
}

TEST(CeilingsOfAFile, RuleOutWhatIsFaster) {
  auto page = measured_page();
  for (auto& unit : page["ceilings"]["compute"]) unit["flops_per_second"] = 1000;
  const RunBy run(page);
  EXPECT_EQ(run.result.exit_code, 4);
  EXPECT_THAT(run.result.err, HasSubstr("linear/two_gemm@cpu IMPOSSIBLE: "));
}

TEST(CeilingsOfAFile, OfAnotherNumberOfThreadsAreNotTaken) {
  auto page = measured_page();
  page["ceilings"]["threads"] = 77;
  for (auto& unit : page["ceilings"]["compute"]) unit["flops_per_second"] = 1000;
  const RunBy run(page);
  EXPECT_EQ(run.result.exit_code, 0) << run.result.err;
  EXPECT_FALSE(run.environment().contains("ceilings_measured_before"));
  EXPECT_GT(run.environment().at("ceilings").at("1").at("compute").at(0).at("flops_per_second"), 1000);
}

TEST(CeilingsOfAFile, OfAnotherMachineOrCpuSetAreRefused) {
  auto page = measured_page();
  page["machine_key"] = "feedfacefeedface";
  const RunBy elsewhere(page);
  EXPECT_EQ(elsewhere.result.exit_code, 2);
  EXPECT_THAT(elsewhere.result.err, AllOf(HasSubstr("ceilings: '" + elsewhere.directory.file("env.json")),
                                          HasSubstr("was measured on another machine: feedfacefeedface, ")));
  page = measured_page();
  page["environment"]["cpu"]["allowed_cpus"] = "1000";
  const RunBy other_cpus(page);
  EXPECT_EQ(other_cpus.result.exit_code, 2);
  EXPECT_THAT(other_cpus.result.err, HasSubstr("was measured on another CPU set: 1000, "));
}

TEST(CeilingsOfAFile, WithoutCeilingsAreRefused) {
  auto page = measured_page();
  page.erase("ceilings");
  const RunBy run(page);
  EXPECT_EQ(run.result.exit_code, 2);
  EXPECT_THAT(run.result.err, HasSubstr("is no output of `attnbench env --json`: ceilings"));
}

}  // namespace
}  // namespace attnbench
