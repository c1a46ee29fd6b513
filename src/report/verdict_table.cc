#include "report/verdict_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <span>

#include "analysis/attention_function.h"
#include "analysis/format.h"
#include "report/baselines.h"
#include "report/no_verdicts.h"
#include "report/not_confirmed.h"
#include "report/text_width.h"

namespace attnbench {
namespace {

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

std::string verdict_in(const CellAnalysis& cell, const std::string& id) {
  const auto* kernel = cell.find(id);
  if (kernel == nullptr || !kernel->ok()) return "-";
  if (kernel->kernel.is_baseline) return "baseline";
  if (!kernel->unranked.empty()) return "not ranked";
  return kernel->judgement ? verdict_text(*kernel->judgement) : "-";
}

/// What a query sees at each of these N.
std::string keys_over(std::span<const CellAnalysis> cells, const std::string& id) {
  std::vector<double> shares;
  for (const auto& cell : cells) {
    if (const auto* kernel = cell.find(id)) shares.push_back(kernel->keys_share);
  }
  return keys_in_short(shares);
}

std::string label_of(const GroupAnalysis& group, const SeriesAnalysis& series) {
  const auto mechanism = series.kernel_id.substr(0, series.kernel_id.find('/'));
  return series.kernel_id + (parse_mechanism(mechanism).is_softmax() ? "" : ", no softmax") +
         not_confirmed_mark(group, series.kernel_id);
}

/// Kernels with times that have no verdict of their own doing, and why.
std::string unranked_lines(const GroupAnalysis& group) {
  std::string text;
  for (const auto& cell : group.cells) {
    for (const auto& kernel : cell.kernels) {
      if (!kernel.unranked.empty())
        text += fmt::format("  not ranked at N = {}: {}{}: {}\n", cell.seqlen(), kernel.id(),
                            not_confirmed_mark(group, kernel.id()), kernel.unranked);
    }
  }
  return text;
}

constexpr std::size_t kVerdictWidth = 17;
constexpr std::size_t kKeysWidth = 14;
constexpr std::size_t kExponentWidth = 24;
constexpr std::size_t kIndent = 2;

std::string as_line(std::string text) {
  text.erase(text.find_last_not_of(' ') + 1);
  return text + '\n';
}

/// A kernel a line: its verdict at each N, as many N side by side as fit; then how it grows. Only kernels
/// that ran at two N or more.
std::string series_lines(const GroupAnalysis& group, std::size_t text_width) {
  if (group.series.empty()) return "";
  std::size_t width = 0;
  for (const auto& s : group.series) width = std::max(width, label_of(group, s).size() + 2);
  const std::span<const CellAnalysis> cells(group.cells);
  // Else a kernel stands on a line of its own, above its verdicts.
  const bool stacked = kIndent + width + kKeysWidth + kVerdictWidth > text_width;
  if (stacked) width = kIndent;
  const auto label = [&](const std::string& text, const std::string& words) {
    return stacked && !text.empty() ? fmt::format("{:{}}{}\n", "", kIndent, text) + words : words;
  };
  const auto in_line = [&](const std::string& text) { return stacked ? std::string() : text; };
  const auto before = kIndent + width + kKeysWidth;
  const auto fitting = std::max<std::size_t>(1, (text_width - std::min(text_width, before)) / kVerdictWidth);
  std::string text;
  for (std::size_t begin = 0; begin < cells.size(); begin += fitting) {
    const auto part = cells.subspan(begin, std::min(fitting, cells.size() - begin));
    const auto line = [&](const std::string& kernel, const std::string& keys, auto text_of_cell) {
      auto words = fmt::format("{:{}}{:<{}}{:<{}}", "", kIndent, in_line(kernel), width, keys, kKeysWidth);
      for (const auto& cell : part) words += fmt::format("{:<{}}", text_of_cell(cell), kVerdictWidth);
      return label(kernel, as_line(words));
    };
    text += line("", "keys", [](const auto& cell) { return fmt::format("N = {}", cell.seqlen()); });
    for (const auto& s : group.series) {
      text += line(label_of(group, s), keys_over(part, s.kernel_id),
                   [&](const auto& cell) { return verdict_in(cell, s.kernel_id); });
    }
  }
  text += fmt::format("{:{}}{:<{}}{:<{}}{:<8}{}\n", "", kIndent, "", width, "exponent, 95 % CI",
                      kExponentWidth, "theory", "as fast as the baseline at N");
  for (const auto& s : group.series) {
    const auto kernel = s.kernel_id + not_confirmed_mark(group, s.kernel_id);
    text += label(kernel, as_line(fmt::format("{:{}}{:<{}}{:<{}}{:<8.0f}{}", "", kIndent, in_line(kernel),
                                              width, exponent_text(s.power_law.exponent), kExponentWidth,
                                              s.theory, crossover_text(s))));
  }
  return text;
}

/// For groups of one N, where nothing grows.
std::string single_lines(const GroupAnalysis& group) {
  std::string text;
  for (const auto& cell : group.cells) {
    for (const auto& kernel : cell.kernels) {
      if (kernel.judgement)
        text += fmt::format("  {:<{}}{} ({})\n", verdict_text(*kernel.judgement), kVerdictWidth,
                            kernel.id() + not_confirmed_mark(group, kernel.id()), kernel.function);
    }
  }
  return text;
}

/// Where EQUIVALENT is said: what it does not exclude.
std::string typical_line(const GroupAnalysis& group) {
  int fewest = std::numeric_limits<int>::max();
  double share = 0;
  for (const auto& cell : group.cells) {
    for (const auto& kernel : cell.kernels) {
      if (!kernel.judgement || kernel.judgement->verdict != stats::Verdict::kEquivalent) continue;
      fewest = std::min(fewest, cell.judged_processes);
      share = std::max(share, cell.share_not_excluded);
    }
  }
  if (share == 0) return "";
  return fmt::format(
      "  EQUIVALENT speaks of the typical process: slow ones of which {} processes show none may be up to "
      "{:.0f} % of all\n",
      fewest, 100 * share);
}

/// A drop-in for the baseline first, then whatever is fastest, where there is more than the baseline's
/// mechanism.
std::string advice_lines(const GroupAnalysis& group) {
  std::string drop_in, any;
  bool others = false;
  for (const auto& r : group.recommendation) {
    const auto* cell = group.at(r.seqlen);
    const auto* baseline = cell == nullptr ? nullptr : cell->find(cell->baseline);
    const bool own = baseline != nullptr && r.mechanism == baseline->kernel.mechanism;
    auto* lines = r.mechanism.empty() ? &any : own ? &drop_in : nullptr;
    others |= lines == nullptr;
    if (lines != nullptr) *lines += fmt::format("    {}\n", r.sentence);
  }
  auto text = drop_in.empty() ? "" : "  Same function as the baseline, a drop-in:\n" + drop_in;
  if (others || drop_in.empty()) text += "  Of all functions; another one is a choice for training:\n" + any;
  return text;
}

std::string group_text(const GroupAnalysis& group, std::size_t text_width) {
  const auto baseline = baselines_text(group);
  auto text = fmt::format("\n{}: what to use, and verdicts against {}\n", group.heading,
                          baseline.empty() ? "the baseline" : "the baseline " + baseline);
  text += advice_lines(group);
  for (const auto& without : no_verdicts(group)) text += "  " + without + '\n';
  return text + (group.cells.size() > 1 ? series_lines(group, text_width) : single_lines(group)) +
         unranked_lines(group) + typical_line(group);
}

}  // namespace

std::string verdict_table(const RunAnalysis& run, std::size_t width) {
  std::string text;
  for (const auto& group : run.groups) text += group_text(group, width);
  std::string differing;
  for (const auto& effect : run.layer_effect) {
    if (!effect.differs.value_or(false)) continue;
    differing += fmt::format(
        "  {} N = {} {} ({}): {} by itself, {} in the layer, of which it takes {:.0f} %\n", effect.dtype,
        effect.seqlen, effect.kernel_id, effect.function,
        verdict_text(*effect.core_verdict, effect.core_margin_ratio),
        verdict_text(*effect.layer_verdict, effect.layer_margin_ratio), 100 * effect.share.estimate);
  }
  if (!differing.empty()) text += "\nVerdicts that a whole layer changes\n" + differing;
  return wrapped(text, width);
}

std::string verdict_legend() {
  return R"(Verdicts (family of all kernels and N of one device, element type and scope; 5 % for the whole family):
  EQUIVALENT    shown to be within 2 % of the baseline; of fewer than ten processes within 5 %, as it says;
                never where processes have modes
  FASTER        shown to differ from the baseline, and faster; SLOWER likewise
  UNRESOLVED    neither is shown
  not ranked    the kernel lacks processes, is less exact or computes another function, as a line below says
  -             no verdict: withheld for the whole cell, as the line 'no verdicts at N = ..' says, or the kernel has
                no result there, as the table above says
A kernel is called the fastest only where it is shown to be faster than every other, at 5 % for all such
statements of the run; else the tied set is named. Kernels that only their noise keeps from being excluded, slower by
estimate than one that is, are named apart.
The exponent is that of a power law through the times; theory is that of the useful operations for N to infinity.)";
}

}  // namespace attnbench
