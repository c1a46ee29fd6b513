#include "report/comparison_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/format.h"

namespace attnbench {
namespace {

std::string time_text(double seconds) {
  const auto unit = unit_for(seconds);
  return fmt::format("{} {}", three_digits(seconds * unit.per_second), unit.name);
}

/// 3 decimals: a change of 2 % is what matters here.
std::string change_text(const stats::Interval& ratio) {
  if (!ratio.is_bounded()) return fmt::format("{:.3f}", ratio.estimate);
  return fmt::format("{:.3f} ({:.3f}-{:.3f})", ratio.estimate, ratio.low, ratio.high);
}

std::string short_build(const std::string& build) { return build.substr(0, 12); }

}  // namespace

std::string comparison_table(const Comparison& c) {
  auto text = fmt::format("old: build {} on {}\nnew: build {} on {}\n", short_build(c.old_build),
                          c.old_machine, short_build(c.new_build), c.new_machine);
  text += c.paired ? "measured together: time of the old / time of the new, paired by process and block\n"
                   : "measured separately: new ratio to the baseline / old ratio to the baseline\n";
  text += "above 1 the new one is faster; 95 % CI, unadjusted; verdicts as one family\n";
  std::size_t width = 6;
  for (const auto& row : c.rows) width = std::max(width, row.kernel_id.size());
  std::string heading;
  for (const auto& row : c.rows) {
    if (row.heading != heading) {
      heading = row.heading;
      text += fmt::format("\n{}\n  {:>6}  {:<{}}  {:>9}  {:>9}  {:<21}  {}\n", heading, "N", "kernel", width,
                          "old", "new", "ratio", "verdict");
    }
    const bool judged = row.judgement.has_value();
    text += fmt::format("  {:>6}  {:<{}}  {:>9}  {:>9}  {:<21}  {}{}\n", row.seqlen, row.kernel_id, width,
                        time_text(row.old_seconds.estimate), time_text(row.new_seconds.estimate),
                        judged ? change_text(row.judgement->ratio) : "-",
                        judged ? stats::to_string(row.judgement->verdict) : "baseline",
                        row.regression ? "  REGRESSION" : "");
  }
  text += "\n";
  for (const auto& warning : c.warnings) text += fmt::format("{}\n", warning);
  return text + fmt::format("{} regression{} beyond {:g} %\n", c.regressions(),
                            c.regressions() == 1 ? "" : "s", 100 * c.threshold);
}

}  // namespace attnbench
