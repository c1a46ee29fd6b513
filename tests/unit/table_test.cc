#include "report/table.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <sstream>

#include "analysis/format.h"
#include "report/text_width.h"
#include "report/verdict_table.h"
#include "unit/store_fixture.h"

namespace attnbench {
namespace {

using testing::HasSubstr;
using testing::Not;

class TableTest : public StoreFixture {
 protected:
  static KernelRecord kernel(const std::string& mechanism, const std::string& algorithm) {
    return {mechanism, algorithm, "cpu", "", 8, "", mechanism == "mha", 1, ""};
  }

  static CellRecord cell(std::int64_t seqlen, std::vector<KernelRecord> kernels) {
    auto cell = sample_cell(seqlen);
    cell.kernels = std::move(kernels);
    return cell;
  }

  /// One block a number; the alias takes the baseline's times.
  static ProcessRecord process(const CellRecord& cell, int number, const std::vector<double>& seconds) {
    ProcessRecord process;
    process.cell_id = cell.cell_id;
    process.process = number;
    for (std::size_t k = 0; k < seconds.size(); ++k) {
      const int position = static_cast<int>(k);
      process.samples.push_back({0, position, "kernel", cell.kernels[k].id(), 1, seconds[k], 0, true, ""});
    }
    process.samples.push_back({0, 90, "alias", cell.kernels[0].id(), 1, seconds[0], 0, true, ""});
    process.samples.push_back({0, 91, "sentinel", "", 1, 123, 0, true, ""});
    process.samples.push_back({-1, 0, "unbatched", cell.kernels[0].id(), 1, 99, 0, true, ""});
    return process;
  }

  RunContents run_of(std::vector<CellRecord> cells) const {
    auto contents = sample_contents();
    contents.cells = std::move(cells);
    contents.processes.clear();
    contents.verifications.clear();
    contents.failures.clear();
    return contents;
  }

  static RunAnalysis summary_of(const RunContents& contents) {
    return analyze(std::span(&contents, 1)).runs[0];
  }

  static std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> lines;
    std::istringstream in(text);
    for (std::string line; std::getline(in, line);) lines.push_back(line);
    return lines;
  }
  static std::string line_with(const std::string& text, const std::string& part) {
    for (const auto& line : lines_of(text)) {
      if (line.find(part) != std::string::npos) return line;
    }
    return "no line has " + part;
  }
};

// Baseline 1, 2, 3 ms: geometric mean 6^(1/3) = 1.817 ms; logs 0, 0.693147, 1.098612: s = 0.555548, bounds
// 1.817 exp(+-4.302653 s sqrt(2 / 3)) = 1.817 exp(+-1.951700): 0.2581, 12.794, half of which is 345 %. Linear
// 1, 1, 0.75 ms: 0.9086 ms, s = 0.166093, bounds exp(+-0.583503): half is 62 %. Ratios 1, 2, 4: logs 0, ln 2,
// ln 4: centre 2, bounds 2 exp(+-2.484138 ln 2) = 2 * 2^(+-2.484138) = 0.357, 11.2.
TEST_F(TableTest, ValuesByHand) {
  auto contents = run_of({cell(128, {kernel("mha", "unfused"), kernel("linear", "two_gemm")})});
  const auto& c = contents.cells[0];
  contents.processes = {process(c, 0, {1e-3, 1e-3}), process(c, 1, {2e-3, 1e-3}),
                        process(c, 2, {3e-3, 0.75e-3})};
  const auto summary = summary_of(contents);
  const auto& linear = summary.groups[0].cells[0].kernels[1];
  EXPECT_NEAR(summary.groups[0].cells[0].kernels[0].seconds->estimate, 1.8171206e-3, 1e-10);
  EXPECT_NEAR(summary.groups[0].cells[0].kernels[0].seconds->high, 12.7937e-3, 1e-6);
  EXPECT_NEAR(linear.ratio->estimate, 2, 1e-12);
  EXPECT_NEAR(linear.ratio->low, 2 * std::exp2(-2.484138), 1e-6);
  EXPECT_NEAR(linear.ratio->high, 2 * std::exp2(2.484138), 1e-5);
  EXPECT_DOUBLE_EQ(summary.groups[0].cells[0].aa->ratio.estimate, 1);

  const auto table = run_table(summary);
  EXPECT_EQ(line_with(table, "mha/unfused  "),
            "mha/unfused                  all   1817 345  1.00    baseline");
  EXPECT_EQ(line_with(table, "linear"), "linear/two_gemm, no softmax  all    909  62  2.00   0.36-11.2");
  EXPECT_EQ(line_with(table, "A/A"), "  A/A, 90 % CI (±5 %)" + std::string(23, ' ') + "1.000 1.000-1.000");
  EXPECT_EQ(line_with(table, "N = 128"), "                                   N = 128, us");
}

TEST_F(TableTest, SaysItsStandingBaselineAndSurroundings) {
  auto contents = run_of({cell(128, {kernel("mha", "unfused")})});
  contents.processes = {process(contents.cells[0], 0, {1e-3}), process(contents.cells[0], 1, {1e-3})};
  const auto table = run_table(summary_of(contents));
  EXPECT_THAT(table,
              HasSubstr("study smoke, profile quick; orientation: 2 processes, not for publication\n"));
  EXPECT_THAT(table,
              HasSubstr("AMD EPYC 9R14, 2 CPUs; cpu, prefill, hot caches, batch 1, 8 heads, head_dim 64, "
                        "bhsd, scale 0.125, 2 threads\n"));
  EXPECT_THAT(table, HasSubstr("ratio: time of mha/unfused@cpu / time of the kernel"));
  EXPECT_THAT(table, HasSubstr("\ncore f32, kernels @cpu\n"));
  contents.run.profile = "publish";
  EXPECT_THAT(run_table(summary_of(contents)), Not(HasSubstr("not for publication")));
}

TEST_F(TableTest, OnlyValidProcessesAndSlotsEnter) {
  auto contents = run_of({cell(128, {kernel("mha", "unfused"), kernel("linear", "two_gemm")})});
  const auto& c = contents.cells[0];
  contents.processes = {process(c, 0, {1e-3, 1e-3}), process(c, 1, {1e-3, 1e-3}),
                        process(c, 2, {8e-3, 1e-3})};
  contents.processes[2].valid = false;
  contents.processes[2].reason = "steal 9 %";
  contents.processes[1].samples.push_back(
      {1, 0, "kernel", c.kernels[0].id(), 1, 5, 0, false, "clock stepped"});
  const auto summary = summary_of(contents);
  EXPECT_DOUBLE_EQ(summary.groups[0].cells[0].kernels[0].seconds->estimate, 1e-3);
  EXPECT_DOUBLE_EQ(summary.groups[0].cells[0].kernels[1].ratio->estimate, 1);
  EXPECT_EQ(summary.groups[0].cells[0].kernels[1].processes, 2);
  EXPECT_THAT(run_table(summary),
              HasSubstr("rejected, not counted: 1 of 3 processes\n  1, the first: steal 9 % "
                        "(in core-prefill-hot-f32-bhsd-b1-h8-q128"));
}

// Linear is missing in one process of two; it and the window, whose ratio swings, are marked.
TEST_F(TableTest, MarksPartialAndWideRows) {
  auto contents = run_of(
      {cell(128, {kernel("mha", "unfused"), kernel("swa(w=64)", "masked"), kernel("linear", "two_gemm")})});
  const auto& c = contents.cells[0];
  contents.run.profile = "publish";
  contents.processes = {process(c, 0, {1e-3, 1e-3, 1e-3}), process(c, 1, {1e-3, 2e-3})};
  const auto table = run_table(summary_of(contents));
  EXPECT_THAT(line_with(table, "masked"), testing::EndsWith("*"));
  EXPECT_THAT(line_with(table, "linear"), testing::EndsWith("(1)"));
  EXPECT_THAT(table, HasSubstr("\n(1) in 1 of 2 processes: no verdict, not ranked\n"));
  EXPECT_THAT(table, HasSubstr("\n* wider than ±2 %, for which the profile measures: 1 of the 2 ratios to "
                               "the baseline, the widest ±"));
}

// Rejected processes of 8, 6 and 7 ms: the median is 7. They give no ratio, no A/A line and no verdict.
TEST_F(TableTest, WhatOnlyRejectedProcessesMeasuredIsShownAndMarked) {
  auto contents = run_of({cell(128, {kernel("mha", "unfused"), kernel("linear", "two_gemm")}),
                          cell(256, {kernel("mha", "unfused"), kernel("linear", "two_gemm")})});
  for (int p = 0; p < 3; ++p) {
    contents.processes.push_back(
        process(contents.cells[0], p, {std::vector{8e-3, 6e-3, 7e-3}[static_cast<std::size_t>(p)], 2e-3}));
    contents.processes.back().valid = false;
    contents.processes.back().reason = "CPU pressure 99 %";
  }
  contents.processes.push_back(process(contents.cells[1], 0, {4e-3, 1e-3}));
  const auto summary = summary_of(contents);
  const auto& mha = summary.groups[0].cells[0].kernels[0];
  EXPECT_EQ(mha.status, "not measured");
  EXPECT_FALSE(mha.seconds || mha.ratio || mha.judgement);
  ASSERT_TRUE(mha.rejected);
  EXPECT_DOUBLE_EQ(mha.rejected->seconds, 7e-3);
  EXPECT_EQ(mha.rejected->processes, 3);
  EXPECT_EQ(mha.reason, "rejected processes alone have times of it: 7.00 ms, the median of 3");
  EXPECT_FALSE(summary.groups[0].cells[0].aa);
  EXPECT_FALSE(summary.groups[0].cells[1].kernels[0].rejected);
  const auto table = run_table(summary);
  EXPECT_THAT(line_with(table, "mha/unfused "), testing::ContainsRegex("7.00 +rejected +4.00 "));
  EXPECT_THAT(line_with(table, "linear/two_gemm"), testing::ContainsRegex("2.00 +rejected +1.00 "));
  EXPECT_THAT(table, Not(HasSubstr("not measured")));
  EXPECT_THAT(table, HasSubstr("  3, the first: CPU pressure 99 % (in "));
}

TEST_F(TableTest, CellsOfRejectedProcessesAloneAreALine) {
  auto contents = run_of({cell(128, {kernel("mha", "unfused"), kernel("linear", "two_gemm")})});
  for (int p = 0; p < 2; ++p) {
    contents.processes.push_back(process(contents.cells[0], p, {8e-3, 2e-3}));
    contents.processes.back().valid = false;
    contents.processes.back().reason = "CPU pressure 99 %";
  }
  const auto table = run_table(summary_of(contents));
  EXPECT_THAT(table, HasSubstr("core f32: no table, since each of 2 processes was rejected"));
  EXPECT_THAT(table, Not(HasSubstr("two_gemm")));
  EXPECT_THAT(table, HasSubstr("  2, the first: CPU pressure 99 % (in "));
}

TEST_F(TableTest, KernelsWithoutTimesAreALineAReasonAndNoRows) {
  auto contents = run_of(
      {cell(128, {kernel("mha", "unfused"), kernel("swa(w=32)", "masked"), kernel("swa(w=64)", "masked"),
                  kernel("linear", "two_gemm"), kernel("linear", "fused")})});
  for (std::size_t k : {0u, 1u, 2u}) contents.cells[0].kernels[k].support_reason = "no bf16 products here";
  for (std::size_t k : {3u, 4u}) contents.cells[0].kernels[k].support_reason = "another reason";
  const auto table = run_table(summary_of(contents));
  EXPECT_EQ(line_with(table, "no bf16"), "unsupported: no bf16 products here: masked@cpu, unfused@cpu");
  EXPECT_EQ(line_with(table, "another"), "unsupported: another reason: fused@cpu, two_gemm@cpu");
  EXPECT_THAT(table, Not(HasSubstr("swa(w=32)")));
  EXPECT_THAT(table, Not(HasSubstr("\ncore f32"))) << "a section without rows";
}

TEST_F(TableTest, RowsAreInCanonicalOrder) {
  auto contents = run_of({cell(
      128, {kernel("causal_linear", "cumsum"), kernel("swa(w=128)", "masked"), kernel("swa(w=64)", "gather"),
            kernel("swa(w=64)", "masked"), kernel("mqa", "unfused"), kernel("mha", "unfused")})});
  std::vector<std::string> ids;
  const auto summary = summary_of(contents);
  for (const auto& kernel : summary.groups[0].cells[0].kernels) ids.push_back(kernel.kernel.id());
  EXPECT_THAT(
      ids, testing::ElementsAre("mha/unfused@cpu", "mqa/unfused@cpu", "swa(w=64)/gather@cpu",
                                "swa(w=64)/masked@cpu", "swa(w=128)/masked@cpu", "causal_linear/cumsum@cpu"));
}

TEST_F(TableTest, KernelsWithoutNumbersSayWhy) {
  const std::vector<KernelRecord> kernels{kernel("mha", "unfused"),      kernel("gqa(kv=4)", "unfused"),
                                          kernel("mqa", "unfused"),      kernel("swa(w=64)", "gather"),
                                          kernel("swa(w=64)", "masked"), kernel("linear", "two_gemm")};
  auto contents = run_of({cell(128, kernels), cell(256, kernels)});
  for (auto& c : contents.cells) {
    c.kernels[1].support_reason = "needs equal lengths";
    contents.verifications.push_back({});
    contents.verifications.back().cell_id = c.cell_id;
    contents.verifications.back().kernel_id = c.kernels[2].id();
    contents.verifications.back().reason = "row 3\nholds NaN";
    contents.processes.push_back(process(c, 0, {1e-3, 1e-3, 1e-3, 1e-3, 1e-3, 1e-3}));
  }
  contents.cells[1].kernels[3].quarantine_reason = "hung twice";
  contents.failures = {{contents.cells[0].cell_id, kernels[4].id(), "recheck", "row 0 is off by 3"}};
  for (auto& sample : contents.processes[1].samples) {
    if (sample.kernel_id != kernels[5].id()) continue;
    sample.valid = false;
    sample.reason = "IMPOSSIBLE: 1.3 x the ceiling";
  }
  const auto table = run_table(summary_of(contents));
  EXPECT_THAT(table, HasSubstr("\nunsupported: needs equal lengths: unfused@cpu (gqa(kv=4))\n"));
  EXPECT_THAT(table, HasSubstr("\nwrong: row 3 holds NaN: mqa/unfused@cpu\n"));
  EXPECT_THAT(line_with(table, "gather"),
              testing::AllOf(HasSubstr(" 1.00  - "), HasSubstr("quarantined (1)")));
  EXPECT_THAT(line_with(table, "masked"), testing::AllOf(HasSubstr("failed (2)"), HasSubstr(" 1.00  - ")));
  EXPECT_THAT(line_with(table, "linear"), HasSubstr("impossible (3)"));
  EXPECT_THAT(table, HasSubstr("(1) quarantined: hung twice\n(2) failed: recheck: row 0 is off by 3\n"
                               "(3) impossible: 1.3 x the ceiling\n"));
}

TEST_F(TableTest, PathsThatRanNowhereShareALine) {
  std::vector<KernelRecord> kernels{kernel("mha", "unfused"), kernel("mqa", "fused"), kernel("mqa", "fused"),
                                    kernel("linear", "fused"), kernel("linear", "fused")};
  for (const auto i : {1, 3}) {
    kernels[static_cast<std::size_t>(i)].path = "slow";
    kernels[static_cast<std::size_t>(i)].support_reason = "computes f32";
    kernels[static_cast<std::size_t>(i) + 1].path = "fast";
  }
  kernels[4].support_reason = "computes f32";
  auto contents = run_of({cell(128, kernels)});
  contents.processes.push_back(process(contents.cells[0], 0, {1e-3, 1e-3, 1e-3, 1e-3, 1e-3}));
  const auto table = run_table(summary_of(contents));
  EXPECT_THAT(table, HasSubstr("\nunsupported: computes f32: fused@cpu:fast (linear), fused@cpu:slow\n"));
}

TEST_F(TableTest, NothingIsComparedWithABaselineThatIsWrong) {
  auto contents = run_of({cell(128, {kernel("mha", "unfused"), kernel("linear", "two_gemm")})});
  contents.processes = {process(contents.cells[0], 0, {1e-3, 1e-3})};
  contents.failures = {{contents.cells[0].cell_id, "mha/unfused@cpu", "recheck", "wrong rows"}};
  const auto summary = summary_of(contents);
  EXPECT_FALSE(summary.groups[0].cells[0].kernels[0].seconds);
  EXPECT_TRUE(summary.groups[0].cells[0].kernels[1].seconds);
  EXPECT_FALSE(summary.groups[0].cells[0].kernels[1].ratio);
  EXPECT_FALSE(summary.groups[0].cells[0].aa);
}

TEST_F(TableTest, LengthsOfThePaperStudyAreWrappedEvenly) {
  std::vector<KernelRecord> kernels;
  for (const auto* id : {"mha", "gqa(kv=4)", "mqa", "swa(w=128)", "block_sparse(bs=32,globals=1)", "linear"})
    kernels.push_back(kernel(id, std::string(id).starts_with("block") ? "batched" : "unfused"));
  std::vector<CellRecord> cells;
  for (const std::int64_t n : {128, 256, 512, 1024, 2048, 4096}) cells.push_back(cell(n, kernels));
  auto contents = run_of(cells);
  for (int number = 0; number < 3; ++number) {
    const double slower = 1 + 0.01 * number;
    for (const auto& c : cells)
      contents.processes.push_back(
          process(c, number, {1e-3, 1.2e-3 * slower, 7.1e-3, 9e-4 * slower, 2e-3, 1e-4}));
  }
  const auto table = run_table(summary_of(contents));
  std::size_t widest = 0;
  int blocks = 0;
  for (const auto& line : lines_of(table)) {
    std::size_t characters = 0;
    for (const char c : line) characters += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    widest = std::max(widest, characters);
    blocks += line.find(", us") != std::string::npos;
  }
  EXPECT_LE(widest, 120U);
  EXPECT_GE(widest, 100U);
  EXPECT_EQ(blocks, 3);
  EXPECT_THAT(line_with(table, "N = 512"), HasSubstr("N = 1024")) << "six lengths are wrapped as 2 + 2 + 2";

  contents.cells.resize(4);
  std::erase_if(contents.processes,
                [](const auto& p) { return p.cell_id.ends_with("2048") || p.cell_id.ends_with("4096"); });
  EXPECT_THAT(line_with(run_table(summary_of(contents)), "N = 128"),
              testing::AllOf(HasSubstr("N = 256"), Not(HasSubstr("N = 512"))))
      << "and four as 2 + 2";
}

TEST_F(TableTest, NoLineIsWiderThanATerminalOf80) {
  std::vector<KernelRecord> kernels{kernel("mha", "unfused"),
                                    kernel("block_sparse(bs=32,globals=1)", "fused"),
                                    kernel("causal_linear", "chunked")};
  kernels[1].path = kernels[2].path = "avx512bf16";
  kernels[2].engine = "elsewhere";  // so that each row names its engine
  auto contents = run_of({cell(128, kernels), cell(1024, kernels)});
  for (const auto& c : contents.cells) {
    for (int number = 0; number < 3; ++number)
      contents.processes.push_back(process(c, number, {1e-3, 1.2e-3 + 1e-4 * number, 7.1e-3}));
  }
  const auto table = run_table(summary_of(contents), 80);
  for (const auto& line : lines_of(table)) EXPECT_LE(width_of(line), 80u) << line;
  EXPECT_THAT(table, HasSubstr("\nblock_sparse(bs=32,globals=1)\n  fused@cpu:avx512bf16 "));
  EXPECT_THAT(table, HasSubstr("\ncausal_linear, no softmax\n  chunked@elsewhere:avx512bf16 "));
}

TEST_F(TableTest, HeadingsNameWhatVariesBesidesN) {
  std::vector<CellRecord> cells;
  for (const std::int64_t batch : {1, 4}) {
    auto c = cell(512, {kernel("mha", "unfused")});
    c.cell_id = "b" + std::to_string(batch);
    c.phase = "decode";
    c.shape.seqlen_q = 1;
    c.shape.batch = batch;
    cells.push_back(c);
  }
  cells.push_back(cells[0]);
  cells.back().cell_id = "cold";
  cells.back().condition = "cold";
  auto contents = run_of(cells);
  for (const auto& c : cells) contents.processes.push_back(process(c, 0, {1e-3}));
  const auto table = run_table(summary_of(contents));
  EXPECT_THAT(table, HasSubstr("\ncore f32, hot caches, batch 1, kernels @cpu\n"));
  EXPECT_THAT(table, HasSubstr("\ncore f32, hot caches, batch 4, kernels @cpu\n"));
  EXPECT_THAT(table, HasSubstr("\ncore f32, cold caches, batch 1, kernels @cpu\n"));
  EXPECT_THAT(table, HasSubstr("; cpu, decode of 1 query token, N = keys, 8 heads,"));
  EXPECT_THAT(run_table(summary_of(run_of(cells))),
              HasSubstr("not measured: no process was run: unfused@cpu\n"));
}

TEST_F(TableTest, AaSaysWhatDecidesAndNeverTheSameOfTwoDecisions) {
  stats::AaCheck check;
  check.ratio.estimate = 1.01;
  check.margin_ratio = 1.02;
  check.equivalent = true;
  check.deciding = {1.01, 1.0004, 1.0198};
  EXPECT_EQ(aa_text(check), "1.010 (90 % CI 1.000-1.020, within ±2 %)");
  check.equivalent = false;
  check.deciding.high = 1.0202;
  EXPECT_EQ(aa_text(check), "1.010 (90 % CI 1.0004-1.0202, not within ±2 %)");
  check.deciding.high = 1.0206;
  EXPECT_EQ(aa_text(check), "1.010 (90 % CI 1.000-1.021, not within ±2 %)");
}

// One process each: no verdicts at either N, for one reason.
TEST_F(TableTest, CellsWithoutVerdictsAreNamedWhereverTheirRatiosStand) {
  auto contents = run_of({cell(128, {kernel("mha", "unfused"), kernel("linear", "two_gemm")}),
                          cell(256, {kernel("mha", "unfused"), kernel("linear", "two_gemm")})});
  for (const auto& c : contents.cells) contents.processes.push_back(process(c, 0, {1e-3, 1e-3}));
  contents.run.profile = "publish";
  const auto summary = summary_of(contents);
  const std::string line = "no verdicts at N = 128, 256: too few processes: 1, verdicts need 5\n";
  EXPECT_THAT(run_table(summary), HasSubstr("\n" + line));
  EXPECT_THAT(verdict_table(summary), HasSubstr("\n  " + line));
  EXPECT_THAT(markdown_table(summary),
              testing::AllOf(
                  HasSubstr("\n" + line), HasSubstr("\n**NOT PUBLISHABLE: "),
                  HasSubstr("| 1.00 (no verdict) |"), HasSubstr("\n> how sure: 0 of 2 cells have verdicts"),
                  HasSubstr("\n>   no verdict in 2 cells: too few processes: 1, verdicts need 5\n")));
  EXPECT_THAT(latex_table(summary), testing::AllOf(HasSubstr("\n\\noindent " + line),
                                                   HasSubstr("\n\\noindent\\textbf{NOT PUBLISHABLE: "),
                                                   HasSubstr("& - (no verdict) &")));
}

TEST_F(TableTest, DocumentsEscapeTheirMarkup) {
  auto contents = run_of({cell(128, {kernel("mha", "unfused"), kernel("linear", "two_gemm")})});
  contents.cells[0].kernels[1].support_reason = "a|b_c 5 %";
  contents.processes = {process(contents.cells[0], 0, {1e-3})};
  const auto summary = summary_of(contents);
  EXPECT_THAT(markdown_table(summary), HasSubstr("\n- unsupported: a|b_c 5 %: two_gemm@cpu\n"));
  EXPECT_THAT(
      latex_table(summary),
      HasSubstr(
          "128 & linear/two\\_gemm@cpu & all keys, no softmax &  &  &  & unsupported: a|b\\_c 5 \\% &"));
  EXPECT_THAT(
      markdown_table(summary),
      HasSubstr(
          "\n| kernel | a query sees | N = 128 | ratio to mha/unfused@cpu (95 % CI) |\n|:--|:--|--:|--:|\n"
          "| mha/unfused@cpu | all keys | 1.00 ms | baseline |\n"));
}

TEST(Format, DigitsAndUnits) {
  EXPECT_EQ(three_digits(0.8714), "0.871");
  EXPECT_EQ(three_digits(9.996), "10.0");
  EXPECT_EQ(three_digits(99.96), "100");
  EXPECT_EQ(three_digits(6913.5), "6914");
  EXPECT_EQ(ratio_text(0.0123), "0.012");
  EXPECT_EQ(ratio_text(0.147), "0.15");
  EXPECT_EQ(ratio_text(12.34), "12.3");
  EXPECT_EQ(half_width_percent({2, 1.9, 2.1}), "5.0");
  EXPECT_EQ(half_width_percent({2, 1, 3}), "50");
  EXPECT_EQ(three_digits(1e300), "1e+300");
  EXPECT_EQ(three_digits(999'999), "999999");
  EXPECT_EQ(ratio_text(1e300), "1e+300");
  EXPECT_EQ(ratio_text(1e-300), "1e-300");
  EXPECT_EQ(half_width_percent({1, 0, 1e300}), ">999");
  EXPECT_EQ(half_width_percent({0, 0, 0}), ">999") << "no number to divide by";
  EXPECT_EQ(margin_text(1.05), "5 %");
  EXPECT_EQ(verdict_text(stats::Verdict::kEquivalent, 1.02), "EQUIVALENT ±2 %");
  EXPECT_EQ(verdict_text(stats::Verdict::kFaster, 1.02), "FASTER");
  EXPECT_STREQ(unit_for(0.5e-3).name, "us");
  EXPECT_STREQ(unit_for(0.5).name, "ms");
  EXPECT_STREQ(unit_for(2).name, "s");
}

}  // namespace
}  // namespace attnbench
