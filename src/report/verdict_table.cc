#include "report/verdict_table.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/format.h"

namespace attnbench {
namespace {

/// "UNRESOLVED 4: mha/fused@cpu, .." for each verdict that occurs in the cell.
std::string verdict_lines(const CellAnalysis& cell) {
  std::string text;
  for (const auto verdict : {stats::Verdict::kFaster, stats::Verdict::kEquivalent, stats::Verdict::kSlower,
                             stats::Verdict::kUnresolved}) {
    std::vector<std::string> ids;
    for (const auto& kernel : cell.kernels) {
      if (kernel.judgement && kernel.judgement->verdict == verdict) ids.push_back(kernel.id());
    }
    if (!ids.empty())
      text += fmt::format("    {:<10} {}: {}\n", stats::to_string(verdict), ids.size(), fmt::join(ids, ", "));
  }
  return text;
}

std::string exponent_text(const stats::Interval& exponent) {
  if (!exponent.is_bounded()) return fmt::format("{:.2f}", exponent.estimate);
  return fmt::format("{:.2f} ({:.2f} to {:.2f})", exponent.estimate, exponent.low, exponent.high);
}

std::string crossover_text(const SeriesAnalysis& series) {
  if (!series.crossover) return "";
  std::vector<std::string> parts;
  if (series.crossover->ranges) {
    for (const auto& r : *series.crossover->ranges) {
      parts.push_back(fmt::format("{}{:.0f} to {:.0f}{}", r.open_low ? "below " : "", r.low, r.high,
                                  r.open_high ? " or above" : ""));
    }
  } else {
    for (const double estimate : series.crossover->estimates)
      parts.push_back(fmt::format("{:.0f}", estimate));
  }
  return parts.empty() ? "none" : fmt::format("{}", fmt::join(parts, "; "));
}

std::string group_text(const GroupAnalysis& group) {
  auto text = fmt::format("\n{}: verdicts against the baseline, and what to use\n", group.heading);
  for (const auto& cell : group.cells) {
    for (const auto& r : group.recommendation) {
      if (r.seqlen == cell.seqlen() && r.mechanism.empty()) text += fmt::format("  {}\n", r.sentence);
    }
    text += verdict_lines(cell);
  }
  if (group.series.empty()) return text;
  std::size_t width = 6;
  for (const auto& s : group.series) width = std::max(width, s.kernel_id.size());
  text += fmt::format("  growth with N: {:<{}}  {:<22}  {:>6}  {}\n", "kernel", width - 6,
                      "exponent (95 % CI)", "theory", "as fast as the baseline at N");
  for (const auto& s : group.series) {
    text += fmt::format("  {:<{}}  {:<22}  {:>6.0f}  {}\n", s.kernel_id, width + 9,
                        exponent_text(s.power_law.exponent), s.theory, crossover_text(s));
  }
  return text;
}

}  // namespace

std::string verdict_table(const RunAnalysis& run) {
  std::string text;
  for (const auto& group : run.groups) text += group_text(group);
  std::string differing;
  for (const auto& effect : run.layer_effect) {
    if (!effect.differs.value_or(false)) continue;
    differing +=
        fmt::format("  {} N = {} {}: {} by itself, {} in the layer, of which it takes {:.0f} %\n",
                    effect.dtype, effect.seqlen, effect.kernel_id, stats::to_string(*effect.core_verdict),
                    stats::to_string(*effect.layer_verdict), 100 * effect.share.estimate);
  }
  if (!differing.empty()) text += "\nVerdicts that a whole layer changes\n" + differing;
  return text;
}

std::string verdict_legend() {
  return R"(Verdicts (family of all kernels and N of one device, element type and scope; 5 % for the whole family):
  EQUIVALENT    shown to be within 2 % of the baseline
  FASTER        shown to differ from the baseline, and faster; SLOWER likewise
  UNRESOLVED    neither is shown
A kernel is called the fastest only where it is shown to be faster than every other; else the tied set is named.
The exponent is that of a power law through the mean times; theory counts the useful operations.)";
}

}  // namespace attnbench
