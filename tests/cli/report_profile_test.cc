#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/store.h"
#include "support/command.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing_support::TemporaryDirectory;

std::vector<std::string> report_run(const std::string& out, const std::string& budget) {
  return testing_support::small_run(out, {"--profile", "report", "--mechanism", "mha", "--budget", budget});
}

// Where intervals are narrow depends on the machine; that a cell stops at a look does not.
TEST(ReportProfile, CellsStopAtLooks) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto result = testing_support::attnbench(report_run(out, "1h"));
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto store = Store::open(out, Store::Mode::read);
  const auto run = store.runs().front().id;
  for (const auto& cell : store.cells(run))
    EXPECT_THAT(store.processes(run, cell.cell_id).size(), testing::AnyOf(5u, 8u, 12u)) << cell.cell_id;
}

// So little is spent when the machine is probed and the kernels are verified.
TEST(ReportProfile, EndsWithItsBudgetAndGoesOn) {
  const TemporaryDirectory directory;
  const auto out = directory.file("s.db");
  const auto first = testing_support::attnbench(report_run(out, "0.1s"));
  EXPECT_EQ(first.exit_code, 3) << first.err;
  EXPECT_THAT(first.err, HasSubstr("0 of 1 cells done"));
  EXPECT_THAT(first.err,
              HasSubstr("the budget is spent; for narrower intervals and the other cells. To go on:"));
  const auto second = testing_support::attnbench(report_run(out, "1h"));
  EXPECT_EQ(second.exit_code, 0) << second.err;
}

TEST(ReportProfile, TakesNoNumberOfProcesses) {
  const TemporaryDirectory directory;
  const auto result = testing_support::attnbench(
      testing_support::small_run(directory.file("s.db"), {"--profile", "report", "--processes", "3"}));
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("processes: '3' cannot go with profile report"));
}

}  // namespace
}  // namespace attnbench
