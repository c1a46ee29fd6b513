#include "report/comparison_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/format.h"
#include "report/text_width.h"

namespace attnbench {
namespace {

using Outcome = ComparisonOutcome;

std::string time_text(double seconds) {
  const auto unit = unit_for(seconds);
  return fmt::format("{} {}", three_digits(seconds * unit.per_second), unit.name);
}

/// 3 decimals: a change of 2 % is what matters here.
std::string change_text(const stats::Interval& ratio) {
  if (!ratio.is_bounded()) return fmt::format("{:.3f}", ratio.estimate);
  return fmt::format("{:.3f} ({:.3f}-{:.3f})", ratio.estimate, ratio.low, ratio.high);
}

std::string limit_text(const ComparedKernel& row) {
  if (!row.slower_limit || !std::isfinite(*row.slower_limit)) return "-";
  return fmt::format("{:+.1f} %", 100 * (*row.slower_limit - 1));
}

std::string short_build(const std::string& build) { return build.substr(0, 12); }

/// "passed, EQUIVALENT ±2 %", "REGRESSION, SLOWER", "LOST: unsupported: ..", "not decided: ..".
std::string result_text(const ComparedKernel& row) {
  if (row.outcome == Outcome::kReference) return "baseline, in time";
  const std::string_view word = row.outcome == Outcome::kRegression ? "REGRESSION"
                                : row.outcome == Outcome::kLost     ? "LOST"
                                                                    : to_string(row.outcome);
  const bool slower = row.judgement && row.judgement->verdict == stats::Verdict::kSlower;
  if (row.judgement && !(slower && row.outcome == Outcome::kUndecided))
    return fmt::format("{}, {}", word, verdict_text(*row.judgement));
  return fmt::format("{}: {}", word, row.reason);
}

const char* basis_text(ComparisonBasis basis) {
  switch (basis) {
    case ComparisonBasis::kPaired:
      return "measured together: time of the old / time of the new, in each process the quotient of their "
             "medians over the blocks\nthat both have\n";
    case ComparisonBasis::kAbsolute:
      return "measured separately: time of the old / time of the new; the drift of the machine between the "
             "two\nsessions is in no interval\n";
    case ComparisonBasis::kRelative:
      break;
  }
  return "measured separately: new ratio to the baseline / old ratio to the baseline. Times are not "
         "compared: the "
         "machine may have\ndrifted between the two sessions, and no interval holds that drift. Ratios "
         "cannot show "
         "a slowdown that all kernels\nshare, the baseline among them; run --against can, and compare "
         "--absolute on "
         "one machine\n";
}

std::string counted(int count, const char* one, const char* many) {
  return fmt::format("{} {}", count, count == 1 ? one : many);
}

std::string conclusion(const Comparison& c) {
  const auto passed = c.count(Outcome::kPassed);
  const auto cells = c.undecided_cells();
  const auto kernels = c.count(Outcome::kUndecided) - cells;
  const auto undecided =
      cells == 0     ? counted(kernels, "kernel", "kernels")
      : kernels == 0 ? counted(cells, "cell", "cells")
                     : counted(kernels, "kernel", "kernels") + " and " + counted(cells, "cell", "cells");
  const auto unranked = c.count(Outcome::kUnranked);
  const auto counts = fmt::format("{}, {}, {} not decided{}; {} shown not to be slower by more than {:g} %\n",
                                  counted(c.count(Outcome::kRegression), "regression", "regressions"),
                                  counted(c.count(Outcome::kLost), "lost kernel", "lost kernels"), undecided,
                                  unranked == 0 ? "" : fmt::format(", {} not ranked", unranked),
                                  counted(passed, "kernel is", "kernels are"), 100 * c.threshold);
  switch (c.outcome()) {
    case Outcome::kPassed:
      return "PASSED: " + counts;
    case Outcome::kRegression:
      return "REGRESSION: " + counts;
    default:
      return "NOT DECIDED: " + counts;
  }
}

/// Texts of a line, from the kernel on.
struct Line {
  std::string kernel, before, after, ratio, limit, result;
};

std::string kernel_text(const ComparedKernel& row) {
  if (row.kernel_id.empty()) return "all kernels";
  return row.confirmed ? row.kernel_id : fmt::format("{}, {}", row.kernel_id, kNotConfirmed);
}

Line line_of(const ComparedKernel& row) {
  Line line{kernel_text(row), "", "", "-", limit_text(row), result_text(row)};
  if (row.ratio && row.processes < row.cell_processes)
    line.result += fmt::format(" (in {} of {} processes)", row.processes, row.cell_processes);
  const bool in_ratios = row.old_to_baseline.has_value();
  if (in_ratios) {
    line.before = ratio_text(row.old_to_baseline->estimate);
    line.after = ratio_text(row.new_to_baseline->estimate);
  } else if (row.old_seconds) {
    line.before = time_text(row.old_seconds->estimate);
    line.after = time_text(row.new_seconds->estimate);
  }
  if (row.ratio)
    line.ratio = change_text(*row.ratio);
  else if (row.times)
    line.ratio = change_text(*row.times);
  return line;
}

}  // namespace

std::string comparison_table(const Comparison& c, std::size_t text_width) {
  auto text = fmt::format("old: build {} on {}\nnew: build {} on {}\n", short_build(c.old_build),
                          c.old_machine, short_build(c.new_build), c.new_machine);
  text += basis_text(c.basis);
  text += fmt::format(
      "ratio: above 1 the new one is faster; 95 % CI, unadjusted; verdicts as one family, EQUIVALENT within "
      "the threshold\n"
      "limit: with 95 % confidence the new one is slower by at most this; up to {:+g} % passes\n",
      100 * c.threshold);
  std::size_t width = 6;
  for (const auto& row : c.rows) width = std::max(width, kernel_text(row).size());
  std::string heading;
  for (const auto& row : c.rows) {
    if (const auto own = fmt::format("{}, N = {}", row.heading, row.seqlen); own != heading) {
      heading = own;
      text += fmt::format("\n{}\n  {:<{}}  {:>7} {:>7}  {:<19}  {:>7}  {}\n", heading, "kernel", width, "old",
                          "new", "ratio", "limit", "verdict");
    }
    const auto line = line_of(row);
    text += fmt::format("  {:<{}}  {:>7} {:>7}  {:<19}  {:>7}  {}\n", line.kernel, width, line.before,
                        line.after, line.ratio, line.limit, line.result);
  }
  text += "\n";
  for (const auto& warning : c.warnings) text += fmt::format("{}\n", warning);
  return wrapped(text + conclusion(c), text_width);
}

}  // namespace attnbench
