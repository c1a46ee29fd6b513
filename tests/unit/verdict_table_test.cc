#include "report/verdict_table.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "report/kernels_csv.h"
#include "report/table.h"
#include "unit/synthetic_run.h"

namespace attnbench {
namespace {

using testing::HasSubstr;

/// mqa as fast as the baseline; linear twice as fast, and disturbed once.
SyntheticRun of_processes(int processes) {
  SyntheticRun run;
  const auto cell =
      run.add_cell(128, {SyntheticRun::kernel("mha", "unfused"), SyntheticRun::kernel("mqa", "unfused"),
                         SyntheticRun::kernel("linear", "two_gemm")});
  for (int p = 0; p < processes; ++p)
    run.add_process(cell, p, 3, [&](std::size_t k, int block) {
      if (k == 2 && p == 1 && block == 0) return 5.0;
      return (k == 2 ? 5e-4 : 1e-3) * (1 + 0.001 * ((p + static_cast<int>(k)) % 3));
    });
  return run;
}

/// Values of a column, by kernel.
std::map<std::string, std::string> column_of(const std::string& csv, const std::string& name) {
  const auto fields = [](const std::string& line) {
    std::vector<std::string> list;
    std::istringstream in(line);
    for (std::string field; std::getline(in, field, ',');) list.push_back(field);
    return list;
  };
  std::istringstream in(csv);
  std::string line;
  std::getline(in, line);
  const auto names = fields(line);
  const auto at = [&](const std::string& wanted) {
    return static_cast<std::size_t>(std::find(names.begin(), names.end(), wanted) - names.begin());
  };
  std::map<std::string, std::string> values;
  while (std::getline(in, line)) {
    const auto row = fields(line);
    values[row.at(at("mechanism"))] = row.at(at(name));
  }
  return values;
}

TEST(VerdictTable, EquivalentSaysItsMargin) {
  EXPECT_THAT(verdict_table(analyzed(of_processes(5))),
              HasSubstr("EQUIVALENT ±5 %  mqa/unfused@cpu (all keys, 1 kv head)\n"));
  EXPECT_THAT(verdict_table(analyzed(of_processes(10))),
              HasSubstr("EQUIVALENT ±2 %  mqa/unfused@cpu (all keys, 1 kv head)\n"));
}

TEST(KernelsCsv, HoldsMarginsMarksAndDisturbedMeans) {
  auto run = of_processes(5);
  std::erase_if(run.contents.processes[4].samples,
                [](const auto& sample) { return sample.kernel_id == "linear/two_gemm@cpu"; });
  const auto csv = kernels_csv(analyze(std::span(&run.contents, 1)));
  EXPECT_EQ(column_of(csv, "margin")["mqa"], "0.05");
  EXPECT_EQ(column_of(csv, "verdict")["mqa"], "EQUIVALENT");
  EXPECT_EQ(column_of(csv, "margin")["mha"], "") << "the baseline has no verdict";
  EXPECT_EQ(column_of(csv, "unranked")["linear"], "in 4 of 5 processes");
  EXPECT_EQ(column_of(csv, "wide")["linear"], "false") << "not profile publish";
  EXPECT_EQ(column_of(csv, "mean_seconds")["mqa"], "");
  // Process means 5e-4 (1 + ..) but for the one with a block of 5 s: about 5 / 3 / 4 s over all.
  EXPECT_NEAR(std::stod(column_of(csv, "mean_seconds")["linear"]), 5.0 / 12, 1e-3);
  EXPECT_THAT(run_table(analyze(std::span(&run.contents, 1)).runs[0]),
              HasSubstr("of 1 of the 3 times, the baseline's among them, the mean of process means"));
}

}  // namespace
}  // namespace attnbench
