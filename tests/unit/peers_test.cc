#include "analysis/peers.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "report/peers_table.h"
#include "unit/synthetic_run.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing::Not;

KernelRecord of_engine(const std::string& kernel, const std::string& engine,
                       const std::string& mechanism = "mha") {
  auto record = SyntheticRun::kernel(mechanism, kernel);
  record.engine = engine;
  return record;
}

const double kLog2 = std::log(2.0);

/// Logarithms of the baseline's 1 ms over each kernel's time: ours takes 0.5 ms.
SyntheticRun against(const std::vector<KernelRecord>& peers, std::vector<double> logs,
                     std::vector<double> steps) {
  std::vector<KernelRecord> kernels{SyntheticRun::kernel("mha", "unfused"),
                                    SyntheticRun::kernel("mha", "fused")};
  kernels.insert(kernels.end(), peers.begin(), peers.end());
  logs.insert(logs.begin(), kLog2);
  steps.insert(steps.begin(), 0);
  SyntheticRun run;
  const auto cell = run.add_cell(128, kernels);
  run.add_five(cell, logs, steps);
  return run;
}

TEST(Peers, RatioIsTheirTimeOverOursWithItsPairedInterval) {
  // 0.8 ms: log-ratios log 1.6 - 0.01 d, d = -2 .. 2; standard error 0.01 sqrt(2.5 / 5), t(0.975, 4)
  // = 2.77645.
  const auto run = analyzed(against({of_engine("flash", "other")}, {std::log(1.25)}, {0.01}));
  ASSERT_EQ(run.peers.rows.size(), 1u);
  const auto& row = run.peers.rows[0];
  EXPECT_EQ(row.ours, "mha/fused@cpu");
  EXPECT_EQ(row.kernel, "mha/flash@other");
  EXPECT_NEAR(row.our_seconds->estimate, 5e-4, 1e-9);
  EXPECT_NEAR(row.seconds->estimate, 8e-4, 1e-9);
  EXPECT_NEAR(row.ratio->estimate, 1.6, 1e-9);
  const double half = 2.77645 * 0.01 * std::sqrt(0.5);
  EXPECT_NEAR(row.ratio->low, 1.6 * std::exp(-half), 1e-4);
  EXPECT_NEAR(row.ratio->high, 1.6 * std::exp(half), 1e-4);
  EXPECT_EQ(row.judgement->verdict, stats::Verdict::kFaster);
  EXPECT_EQ(row.standing, PeerStanding::ahead);
}

TEST(Peers, AnEngineStandsAsItsKernelThatIsWorstForUs) {
  // 0.8 ms and 0.5 ms; 0.25 ms; 0.45 ms give or take a half.
  const auto run = analyzed(against({of_engine("slow", "alpha"), of_engine("like_ours", "alpha"),
                                     of_engine("quick", "beta"), of_engine("noisy", "gamma")},
                                    {std::log(1.25), kLog2, std::log(4.0), std::log(1 / 0.45)},
                                    {0.001, 0.001, 0.001, 0.3}));
  ASSERT_EQ(run.peers.engines.size(), 3u);
  const auto engine = [&](const std::string& name) {
    return *std::find_if(run.peers.engines.begin(), run.peers.engines.end(),
                         [&](const auto& e) { return e.engine == name; });
  };
  EXPECT_EQ(engine("alpha").ahead, 0) << "one kernel of it is as fast as ours";
  EXPECT_EQ(engine("alpha").tied, 1);
  EXPECT_NEAR(*engine("alpha").lowest, 1, 1e-9);
  EXPECT_NEAR(*engine("alpha").highest, 1, 1e-9) << "of its fastest kernel";
  EXPECT_EQ(engine("beta").behind, 1);
  EXPECT_NEAR(*engine("beta").lowest, 0.5, 1e-9);
  EXPECT_EQ(engine("gamma").undecided, 1);
  std::map<std::string, PeerStanding> standings;
  for (const auto& row : run.peers.rows) standings[row.kernel] = row.standing;
  EXPECT_EQ(standings.at("mha/slow@alpha"), PeerStanding::ahead);
  EXPECT_EQ(standings.at("mha/like_ours@alpha"), PeerStanding::tied);
  const auto lines = peers_lines(run);
  EXPECT_THAT(
      lines,
      HasSubstr(
          "alpha        ahead in 0, tied in 1, behind in 0, not decided in 0 of 1; ratio 1.00 to 1.00\n"));
  EXPECT_THAT(
      lines,
      HasSubstr(
          "beta         ahead in 0, tied in 0, behind in 1, not decided in 0 of 1; ratio 0.50 to 0.50\n"));
}

TEST(Peers, VerdictsAreOneFamilyOfTheirOwn) {
  // Of ten equal p values Holm's first factor is 10 and holds for all; two kinds of test double it.
  std::vector<KernelRecord> ten;
  for (int n = 0; n < 10; ++n) ten.push_back(of_engine("k" + std::to_string(n), "other"));
  const std::vector<double> logs(10, kLog2 - 0.06), steps(10, 0.002);
  const auto alone = analyzed(against({ten[0]}, {logs[0]}, {steps[0]}));
  const auto together = analyzed(against(ten, logs, steps));
  const double p = alone.peers.rows[0].judgement->difference_p_adjusted;
  EXPECT_LT(p, 1e-4);
  EXPECT_NEAR(together.peers.rows[0].judgement->difference_p_adjusted / p, 20, 1e-6);
}

TEST(Peers, WhatIsMissingSaysWhy) {
  auto run = against({of_engine("flash", "other"), of_engine("flash", "absent"), of_engine("wrong", "other")},
                     {0, 0, 0}, {0, 0, 0});
  auto& kernels = run.contents.cells[0].kernels;
  kernels[3].support_reason = "numpy cannot be imported";
  VerificationRecord verification;
  verification.cell_id = run.contents.cells[0].cell_id;
  verification.kernel_id = kernels[4].id();
  verification.reason = "max error 0.5";
  run.contents.verifications.push_back(verification);
  (*run.contents.run.environment)["missing_engines"] = {{{"engine", "mlx"}, {"reason", "not fetched"}},
                                                        {{"engine", "cuda"}, {"reason", "no nvcc"}}};
  const auto analysis = analyzed(run);
  ASSERT_EQ(analysis.peers.rows.size(), 3u);
  EXPECT_EQ(analysis.peers.rows[1].standing, PeerStanding::missing);
  EXPECT_EQ(analysis.peers.rows[2].status, "wrong");
  EXPECT_EQ(analysis.peers.rows[2].reason, "max error 0.5");
  ASSERT_EQ(analysis.peers.engines.size(), 3u) << "cuda is ours, and no peer that is missing";
  EXPECT_EQ(analysis.peers.engines[0].missing, "");
  EXPECT_EQ(analysis.peers.engines[1].missing, "unsupported: numpy cannot be imported");
  EXPECT_EQ(analysis.peers.engines[2].engine, "mlx");
  EXPECT_EQ(analysis.peers.engines[2].missing, "not fetched");
  const auto table = peers_table(analysis);
  EXPECT_THAT(table, HasSubstr("absent       no ratio: unsupported: numpy cannot be imported\n"));
  EXPECT_THAT(table, HasSubstr("mha/wrong@other at 1 N: wrong: max error 0.5\n"));
  EXPECT_THAT(table, HasSubstr("N = 128, mha/fused@cpu takes 500 us\n    mha/flash@other"));
}

TEST(Peers, AnEngineWithoutTimesSaysItsTwoCommonestReasons) {
  const KernelRecord flash = of_engine("flash", "absent"), math = of_engine("math", "absent"),
                     flex = of_engine("flex", "absent"), eager = of_engine("eager", "absent");
  auto run = against({flash, math, flex, eager}, {0, 0, 0, 0}, {0, 0, 0, 0});
  auto& kernels = run.contents.cells[0].kernels;
  const auto first = kernels.size() - 4;
  kernels[first].support_reason = "z is not here";
  kernels[first + 1].support_reason = "of another device";
  kernels[first + 2].support_reason = "of another device";
  kernels[first + 3].support_reason = "z is not here";
  EXPECT_EQ(analyzed(run).peers.engines[0].missing,
            "unsupported: of another device; unsupported: z is not here");
  kernels[first + 1].support_reason = "too small";
  EXPECT_EQ(analyzed(run).peers.engines[0].missing,
            "unsupported: z is not here; unsupported: of another device");
}

TEST(Peers, NoVerdictWhereTheCellHasNoneOrAKernelIsNotRanked) {
  auto partial = against({of_engine("flash", "other")}, {0}, {0.001});
  std::erase_if(partial.contents.processes[4].samples,
                [](const auto& sample) { return sample.kernel_id == "mha/flash@other"; });
  const auto of_partial = analyzed(partial).peers.rows[0];
  EXPECT_FALSE(of_partial.judgement);
  EXPECT_EQ(of_partial.standing, PeerStanding::undecided);
  EXPECT_EQ(of_partial.reason, "mha/flash@other: in 4 of 5 processes");
  EXPECT_NEAR(of_partial.ratio->estimate, 2, 0.01);

  auto few = against({of_engine("flash", "other")}, {0}, {0.001});
  few.contents.processes.pop_back();
  const auto of_few = analyzed(few).peers.rows[0];
  EXPECT_FALSE(of_few.judgement);
  EXPECT_THAT(of_few.reason, HasSubstr("too few processes"));
}

TEST(Peers, AreSetAgainstOursOfTheSameMechanismAlone) {
  SyntheticRun run;
  const auto cell =
      run.add_cell(128, {SyntheticRun::kernel("mha", "unfused"), SyntheticRun::kernel("mha", "fused"),
                         of_engine("flash", "other", "mqa")});
  run.add_five(cell, {kLog2, 0}, {0, 0});
  const auto row = analyzed(run).peers.rows[0];
  EXPECT_EQ(row.ours, "");
  EXPECT_FALSE(row.ratio);
  EXPECT_EQ(row.reason, "no fused kernel of ours was measured");
  EXPECT_EQ(row.standing, PeerStanding::missing);
}

TEST(Peers, ARunWithoutOursComparesNothing) {
  SyntheticRun alone;
  const auto cell = alone.add_cell(128, {of_engine("unfused", "mlx"), of_engine("sdpa", "mlx")});
  alone.add_five(cell, {0.1}, {0});
  const auto run = analyzed(alone);
  ASSERT_TRUE(run.groups[0].cells[0].find("mha/sdpa@mlx")->seconds);
  EXPECT_TRUE(run.peers.rows.empty());
  EXPECT_TRUE(run.peers.engines.empty());
}

TEST(Peers, LinesAreAtMostSix) {
  std::vector<KernelRecord> peers;
  for (const auto* engine : {"a", "b", "c", "d", "e", "f"}) peers.push_back(of_engine("flash", engine));
  auto run = against(peers, std::vector<double>(6, 0.0), std::vector<double>(6, 0.001));
  (*run.contents.run.environment)["missing_engines"] = {{{"engine", "mlx"}, {"reason", "not fetched"}}};
  const auto lines = peers_lines(analyzed(run));
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 6) << lines;
  EXPECT_THAT(lines, HasSubstr("without a ratio: mlx; 2 more engines"));
}

TEST(Peers, EnginesWithoutTimesAloneAreTwoLines) {
  auto run = against({of_engine("flash", "other")}, {0.0}, {0.001});
  run.contents.cells[0].kernels.back().support_reason = "no bf16";
  for (auto& process : run.contents.processes)
    std::erase_if(process.samples, [](const auto& sample) { return sample.kernel_id == "mha/flash@other"; });
  EXPECT_EQ(peers_lines(analyzed(run)),
            "Other engines\n  without a ratio: other (attnbench analyze tells)\n");
}

TEST(Peers, WithoutAnyNothingIsSaid) {
  SyntheticRun run;
  const auto cell =
      run.add_cell(128, {SyntheticRun::kernel("mha", "unfused"), SyntheticRun::kernel("mha", "fused")});
  run.add_five(cell, {kLog2}, {0});
  (*run.contents.run.environment)["missing_engines"] = {{{"engine", "mlx"}, {"reason", "not fetched"}}};
  EXPECT_EQ(peers_lines(analyzed(run)), "") << "none was asked for";
  EXPECT_THAT(peers_table(analyzed(run)), HasSubstr("mlx          no ratio: not fetched\n"));
}

}  // namespace
}  // namespace attnbench
