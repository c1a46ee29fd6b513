#include "report/answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <sstream>
#include <string>
#include <vector>

#include "unit/synthetic_run.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing::Not;

KernelRecord of_library(const std::string& kernel, const std::string& engine) {
  auto record = SyntheticRun::kernel("mha", kernel);
  record.engine = engine;
  return record;
}

/// Baseline 1 ms, ours 0.5 ms, two other libraries 0.8 and 0.625 ms, linear 0.1 ms; five processes. The
/// quicker one is as exact as this says.
RunAnalysis measured(const std::string& less_exact = "") {
  SyntheticRun run;
  const auto cell =
      run.add_cell(128, {SyntheticRun::kernel("mha", "unfused"), SyntheticRun::kernel("mha", "fused"),
                         of_library("flash", "slow"), of_library("flash", "quick"),
                         SyntheticRun::kernel("linear", "two_gemm")});
  run.add_five(cell, {std::log(2.0), std::log(1.25), std::log(1.6), std::log(10.0)}, {0, 0.001, 0.01, 0.001});
  VerificationRecord verification;
  verification.cell_id = cell.cell_id;
  verification.kernel_id = "mha/flash@quick";
  verification.passed = true;
  verification.reason = less_exact;
  run.contents.verifications.push_back(verification);
  return analyzed(run);
}

TEST(Answer, SaysWhatToUseHowMuchFasterAndAgainstWhichLibrary) {
  const auto text = answer_lines(measured());
  // quick / ours = 0.625 / 0.5; its logarithm's half-width over five processes: t(0.975, 4) 0.01 sqrt(2.5 /
  // 5) = 2.77645 * 0.0070711 = 0.019632, so 1.25 exp(-+0.019632) = 1.226, 1.275.
  EXPECT_THAT(
      text,
      HasSubstr("What to use here:\n"
                "core f32, in place of mha/unfused@cpu\n"
                "  N = 128: use mha/fused@cpu: 2.00 times as fast as the baseline (2.00-2.00), shown to be "
                "the fastest\n"
                "    mha/fused@cpu is 1.25 times as fast as mha/flash@quick (1.23-1.27), the best other "
                "library's; shown to be faster\n"));
  EXPECT_THAT(
      text,
      HasSubstr("  N = 128, if the model was trained so (all keys, no softmax): use linear/two_gemm@cpu: "
                "10.0 times"));
  EXPECT_THAT(text, HasSubstr("\nhow sure: 1 of 1 cells have verdicts"));
  EXPECT_THAT(text, Not(HasSubstr("slow")));
}

TEST(Answer, ALibraryThatIsNotRankedIsNotTheBest) {
  const auto text = answer_lines(measured("less exact: o off by 3 tolerances"));
  EXPECT_THAT(text, HasSubstr("1.60 times as fast as mha/flash@slow"));
  EXPECT_THAT(text, Not(HasSubstr("flash@quick")));
}

TEST(Answer, FitsATerminal) {
  std::istringstream lines(answer_lines(measured(), 80));
  for (std::string line; std::getline(lines, line);) EXPECT_LE(width_of(line), 80u) << line;
}

TEST(Answer, WithoutVerdictsSaysSoAndWhy) {
  SyntheticRun run;
  const auto cell =
      run.add_cell(128, {SyntheticRun::kernel("mha", "unfused"), SyntheticRun::kernel("mha", "fused")});
  run.add_five(cell, {std::log(2.0)}, {0.001});
  run.contents.processes.resize(3);
  const auto text = answer_lines(analyzed(run));
  EXPECT_THAT(text,
              HasSubstr("N = 128: not decided; the fastest measured is mha/fused@cpu: 2.00 times as fast"));
  EXPECT_THAT(text, HasSubstr("how sure: 0 of 1 cells have verdicts"));
  EXPECT_THAT(text, HasSubstr("\n  no verdict in 1 cell: too few processes: 3, verdicts need 5\n"));
  EXPECT_THAT(text, Not(HasSubstr("other library")));
}

TEST(Answer, ATieIsNoWinner) {
  SyntheticRun run;
  const auto cell =
      run.add_cell(128, {SyntheticRun::kernel("mha", "unfused"), SyntheticRun::kernel("mha", "fused"),
                         SyntheticRun::kernel("mha", "tiled")});
  run.add_five(cell, {std::log(2.0), std::log(2.0)}, {0.001, 0.002});
  EXPECT_THAT(answer_lines(analyzed(run)), HasSubstr("; 1 other may be as fast\n"));
}

TEST(Answer, OfARunWithoutTimesIsNothing) {
  SyntheticRun run;
  run.add_cell(128, {SyntheticRun::kernel("mha", "unfused")});
  EXPECT_EQ(answer_lines(analyzed(run)), "");
}

TEST(Answer, OneKernelIsTheOnlyOneAndATieNamesItsMargin) {
  SyntheticRun alone;
  alone.add_five(alone.add_cell(128, {SyntheticRun::kernel("mha", "unfused")}), {}, {});
  EXPECT_THAT(answer_lines(analyzed(alone)),
              HasSubstr("N = 128: use mha/unfused@cpu: the baseline, the only kernel measured\n"));

  SyntheticRun tied;
  const auto cell = tied.add_cell(128, {SyntheticRun::kernel("mha", "unfused"),
                                        SyntheticRun::kernel("mha", "fused"), of_library("flash", "quick")});
  tied.add_five(cell, {std::log(2.0), std::log(2.0)}, {0, 0.001});
  EXPECT_THAT(answer_lines(analyzed(tied)), HasSubstr("shown to be as fast\n        within ±5 %\n"));
}

}  // namespace
}  // namespace attnbench
