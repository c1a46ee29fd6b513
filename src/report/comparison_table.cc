#include "report/comparison_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <map>
#include <optional>
#include <vector>

#include "analysis/format.h"
#include "report/markdown.h"
#include "report/text_width.h"
#include "store/csv.h"

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
             "medians over the blocks that both have\n";
    case ComparisonBasis::kAbsolute:
      return "measured separately: time of the old / time of the new; the drift of the machine between the "
             "two sessions is in no interval\n";
    case ComparisonBasis::kRelative:
      break;
  }
  return "measured separately: new ratio to the baseline / old ratio to the baseline. Times are not "
         "compared: the "
         "machine may have drifted between the two sessions, and no interval holds that drift. Ratios "
         "cannot show "
         "a slowdown that all kernels share, the baseline among them; run --against can, and compare "
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
  constexpr std::size_t kOthers = 66;                 // with room for a short verdict
  const bool stacked = width + kOthers > text_width;  // a kernel on a line of its own, above its numbers
  if (stacked) width = 0;
  std::string heading;
  for (const auto& row : c.rows) {
    if (const auto own = fmt::format("{}, N = {}", row.heading, row.seqlen); own != heading) {
      heading = own;
      text += fmt::format("\n{}\n  {:<{}}  {:>7} {:>7}  {:<19}  {:>7}  {}\n", heading,
                          stacked ? "" : "kernel", width, "old", "new", "ratio", "limit", "verdict");
    }
    const auto line = line_of(row);
    if (stacked) text += fmt::format("  {}\n", line.kernel);
    text += fmt::format("  {:<{}}  {:>7} {:>7}  {:<19}  {:>7}  {}\n", stacked ? "" : line.kernel, width,
                        line.before, line.after, line.ratio, line.limit, line.result);
  }
  text += "\n";
  for (const auto& warning : c.warnings) text += fmt::format("{}\n", warning);
  return wrapped(text + conclusion(c), text_width);
}

namespace {

using Outcomes = std::vector<Outcome>;

bool is_one_of(const Outcomes& outcomes, Outcome outcome) {
  return std::find(outcomes.begin(), outcomes.end(), outcome) != outcomes.end();
}

std::string markdown_rows(const Comparison& c, const Outcomes& outcomes) {
  std::string text;
  for (const auto& row : c.rows) {
    if (!is_one_of(outcomes, row.outcome)) continue;
    const auto line = line_of(row);
    text += fmt::format("| {} | {} | {} | {} | {} | {} | {} | {} |\n", for_markdown(row.heading), row.seqlen,
                        for_markdown(line.kernel), line.before, line.after, line.ratio, line.limit,
                        for_markdown(line.result));
  }
  if (text.empty()) return "";
  return "| cells | N | kernel | old | new | old / new (95 % CI) | limit | verdict |\n"
         "|:--|--:|:--|--:|--:|--:|--:|:--|\n" +
         text + '\n';
}

std::string folded_rows(const Comparison& c, const Outcomes& outcomes, const char* words) {
  const auto rows = markdown_rows(c, outcomes);
  if (rows.empty()) return "";
  const auto count = std::count_if(c.rows.begin(), c.rows.end(),
                                   [&](const auto& row) { return is_one_of(outcomes, row.outcome); });
  return fmt::format("<details><summary>{} {}</summary>\n\n{}</details>\n\n", count, words, rows);
}

/// Why rows are not decided, a line a reason.
std::string undecided_reasons(const Comparison& c) {
  std::map<std::string, int> reasons;
  for (const auto& row : c.rows) {
    if (row.outcome == Outcome::kUndecided) ++reasons[row.reason];
  }
  std::string text;
  for (const auto& [reason, count] : reasons)
    text += fmt::format("- not decided, {}: {}\n", count, for_markdown(reason));
  return text.empty() ? "" : text + '\n';
}

/// The words on one line, as a sentence of its own.
std::string sentence(std::string words) {
  while (!words.empty() && words.back() == '\n') words.pop_back();
  std::replace(words.begin(), words.end(), '\n', ' ');
  words.front() = static_cast<char>(std::toupper(static_cast<unsigned char>(words.front())));
  return words + '.';
}

std::string bound(const std::optional<stats::Interval>& interval, double stats::Interval::* which) {
  if (!interval || (which != &stats::Interval::estimate && !interval->is_bounded())) return "";
  return fmt::format("{}", (*interval).*which);
}

}  // namespace

std::string comparison_markdown(const Comparison& c) {
  auto words = conclusion(c);
  const auto colon = words.find(':');
  auto text =
      fmt::format("### Attention kernels: {}\n\n{}\n", words.substr(0, colon), words.substr(colon + 2));
  for (const auto& warning : c.warnings) text += fmt::format("> {}\n", for_markdown(warning));
  if (!c.warnings.empty()) text += '\n';
  text += markdown_rows(c, {Outcome::kRegression, Outcome::kLost}) + undecided_reasons(c);
  text += folded_rows(c, {Outcome::kUndecided, Outcome::kUnranked}, "not decided or not ranked");
  text += folded_rows(c, {Outcome::kPassed, Outcome::kReference}, "passed, baselines among them");
  std::string basis = basis_text(c.basis);
  return text + fmt::format(
                    "Old: build {} on {}; new: build {} on {}. {} Above 1 the new one is faster; limit: "
                    "with 95 % confidence it is slower by at most this, and up to {:+g} % passes.\n",
                    short_build(c.old_build), for_markdown(c.old_machine), short_build(c.new_build),
                    for_markdown(c.new_machine), sentence(basis), 100 * c.threshold);
}

std::string comparison_csv(const Comparison& c) {
  using I = stats::Interval;
  std::string text =
      "cell_id,seqlen,kernel,outcome,old_seconds,new_seconds,old_to_baseline,new_to_baseline,ratio,ratio_low,"
      "ratio_high,slower_limit,verdict,reason\n";
  for (const auto& row : c.rows) {
    const auto limit =
        row.slower_limit && std::isfinite(*row.slower_limit) ? fmt::format("{}", *row.slower_limit) : "";
    const auto verdict = row.judgement ? std::string(stats::to_string(row.judgement->verdict)) : "";
    text += fmt::format("{},{},{},{},{},{},{},{},{},{},{},{},{},{}\n", csv_field(row.cell_id), row.seqlen,
                        csv_field(row.kernel_id), csv_field(to_string(row.outcome)),
                        bound(row.old_seconds, &I::estimate), bound(row.new_seconds, &I::estimate),
                        bound(row.old_to_baseline, &I::estimate), bound(row.new_to_baseline, &I::estimate),
                        bound(row.ratio, &I::estimate), bound(row.ratio, &I::low), bound(row.ratio, &I::high),
                        limit, csv_field(verdict), csv_field(row.reason));
  }
  return text;
}

}  // namespace attnbench
