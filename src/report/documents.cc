#include <fmt/format.h>

#include <algorithm>
#include <string>
#include <vector>

#include "analysis/format.h"
#include "report/answer.h"
#include "report/left_out.h"
#include "report/markdown.h"
#include "report/no_verdicts.h"
#include "report/not_confirmed.h"
#include "report/table.h"

namespace attnbench {
namespace {

/// One kernel at one N, as texts: N, kernel, keys, time with unit, ±%, ratio, interval or note, ratio to the
/// dense kernel, interval.
std::vector<std::vector<std::string>> rows_of(const RunAnalysis& run, const GroupAnalysis& group) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& cell : group.cells) {
    const auto n = std::to_string(cell.seqlen());
    for (const auto& k : cell.kernels) {
      const auto confirmed = k.is_confirmed() ? "" : fmt::format(", {}", kNotConfirmed);
      std::vector<std::string> row{n, k.kernel.id() + confirmed, k.function, "", "", "", "", "", ""};
      if (k.seconds) {
        const auto unit = unit_for(k.seconds->estimate);
        row[3] = fmt::format("{} {}", three_digits(k.seconds->estimate * unit.per_second), unit.name);
        row[4] = half_width_percent(*k.seconds);
        if (k.ratio) row[5] = ratio_text(k.ratio->estimate);
        if (k.ratio) row[6] = k.kernel.is_baseline ? "baseline" : range_text(*k.ratio);
        if (k.modes) row[6] += " (modes)";
        if (k.wide) row[6] += " (wide)";
        if (!k.kernel.is_baseline && !run.published && !cell.withheld.empty()) row[6] += " (no verdict)";
        if (!k.unranked.empty())
          row[6] += fmt::format("{}(not ranked: {})", row[6].empty() ? "" : " ", k.unranked);
        if (k.to_dense) row[7] = ratio_text(k.to_dense->estimate);
        if (k.to_dense) row[8] = range_text(*k.to_dense);
        if (k.id() == group.dense || k.id() == group.causal_dense) row[8] = "dense";
      } else {
        row[6] = fmt::format("{}: {}", k.status, k.reason);
      }
      rows.push_back(std::move(row));
      if (k.kernel.is_baseline && cell.aa) {
        rows.push_back({n, "A/A: the baseline twice", "", "", "", "", aa_text(*cell.aa), "", ""});
      }
    }
  }
  return rows;
}

/// Two cells: the time, and the ratio or what stands in its place.
std::string markdown_cell(const RunAnalysis& run, const CellAnalysis& cell, const std::string& id) {
  const auto* k = cell.find(id);
  if (k == nullptr) return " - | - |";
  if (!k->seconds) return fmt::format(" - | {}: {} |", k->status, for_markdown(k->reason));
  const auto unit = unit_for(k->seconds->estimate);
  auto ratio = k->kernel.is_baseline ? std::string("baseline")
               : k->ratio            ? ratio_text(k->ratio->estimate)
                                     : "-";
  if (k->ratio && !k->kernel.is_baseline && k->ratio->is_bounded())
    ratio += fmt::format(" ({})", range_text(*k->ratio));
  if (k->modes) ratio += " (modes)";
  if (k->wide) ratio += " (wide)";
  if (!k->kernel.is_baseline && !run.published && !cell.withheld.empty()) ratio += " (no verdict)";
  if (!k->unranked.empty()) ratio += fmt::format(" (not ranked: {})", k->unranked);
  if (k->judgement) ratio += ", " + verdict_text(*k->judgement);
  return fmt::format(" {} {} | {} |", three_digits(k->seconds->estimate * unit.per_second), unit.name,
                     for_markdown(ratio));
}

std::string title_of(const RunAnalysis& run) {
  return fmt::format("Study {}, profile {}. {}; {}.", run.run.study, run.run.profile, run.machine,
                     run.common);
}

std::string replaced(std::string_view text,
                     std::initializer_list<std::pair<char, const char*>> replacements) {
  std::string result;
  for (const char c : text) {
    const char* with = nullptr;
    for (const auto& [from, to] : replacements) {
      if (c == from) with = to;
    }
    with == nullptr ? result += c : result += with;
  }
  return result;
}

std::string for_latex(std::string_view text) {
  return replaced(text, {{'\\', "\\textbackslash{}"},
                         {'&', "\\&"},
                         {'%', "\\%"},
                         {'$', "\\$"},
                         {'#', "\\#"},
                         {'_', "\\_"},
                         {'{', "\\{"},
                         {'}', "\\}"},
                         {'~', "\\textasciitilde{}"},
                         {'^', "\\textasciicircum{}"},
                         {'\n', " "}});
}

/// Kernels down, N across: time, ratio and its interval or why there is none. Folded away: it is long.
std::string markdown_group(const RunAnalysis& run, const GroupAnalysis& group) {
  std::string names = "| kernel | a query sees |", rule = "|:--|:--|", rows;
  for (const auto& cell : group.cells) {
    names += cell.baseline.empty() ? fmt::format(" N = {} | ratio |", cell.seqlen())
                                   : fmt::format(" N = {} | ratio to {} (95 % CI) |", cell.seqlen(),
                                                 for_markdown(cell.baseline));
    rule += "--:|--:|";
  }
  std::vector<std::string> shown;
  for (const auto& cell : group.cells) {
    for (const auto& kernel : cell.kernels) {
      const auto id = kernel.id();
      if (!has_row(group, id) || std::find(shown.begin(), shown.end(), id) != shown.end()) continue;
      shown.push_back(id);
      rows += fmt::format("| {}{} | {} |", for_markdown(id), not_confirmed_mark(group, id),
                          for_markdown(kernel.function));
      for (const auto& at : group.cells) rows += markdown_cell(run, at, id);
      rows += '\n';
    }
  }
  if (rows.empty()) return "";
  auto text = fmt::format("\n<details><summary>{}</summary>\n\n{}\n{}\n{}", for_markdown(group.heading),
                          names, rule, rows);
  for (const auto& cell : group.cells) {
    if (cell.aa)
      text += fmt::format("\nN = {}, A/A: the baseline twice: {}\n", cell.seqlen(), aa_text(*cell.aa));
  }
  for (const auto& without : no_verdicts(group)) text += fmt::format("\n{}\n", for_markdown(without));
  return text + "\n</details>\n";
}

/// Each line as an item.
std::string as_list(const std::string& lines) {
  std::string text = "- ";
  for (std::size_t i = 0; i < lines.size(); ++i) {
    text += lines[i];
    if (lines[i] == '\n' && i + 1 < lines.size()) text += "- ";
  }
  return text;
}

}  // namespace

std::string for_markdown(std::string_view text) { return replaced(text, {{'|', "\\|"}, {'\n', " "}}); }

std::string markdown_table(const RunAnalysis& run) {
  auto text = fmt::format("### {}\n\n", for_markdown(title_of(run)));
  if (!run.mark.empty()) text += fmt::format("**{}**\n\n", for_markdown(run.mark));
  text += answer_markdown(run);
  for (const auto& group : run.groups) text += markdown_group(run, group);
  const auto left_out = left_out_lines(run);
  if (!left_out.empty())
    text += fmt::format("\n<details><summary>Not measured</summary>\n\n{}\n</details>\n", as_list(left_out));
  return text;
}

std::string latex_table(const RunAnalysis& run) {
  auto text = fmt::format("% needs \\usepackage{{booktabs}}\n% {}\n", for_latex(title_of(run)));
  if (!run.mark.empty()) text += fmt::format("\\noindent\\textbf{{{}}}\n\n", for_latex(run.mark));
  for (const auto& group : run.groups) {
    text += fmt::format("% {}\n\\begin{{tabular}}{{rllrrrlrl}}\n\\toprule\n", for_latex(group.heading));
    text +=
        "N & kernel & a query sees & time & $\\pm$\\% & ratio & 95\\,\\% CI & gain over dense & 95\\,\\% CI "
        "\\\\\n"
        "\\midrule\n";
    for (const auto& row : rows_of(run, group)) {
      const char* separator = "";
      for (const auto& field : row) {
        text += separator + for_latex(field);
        separator = " & ";
      }
      text += " \\\\\n";
    }
    text += "\\bottomrule\n\\end{tabular}\n";
    for (const auto& without : no_verdicts(group))
      text += fmt::format("\n\\noindent {}\n\n", for_latex(without));
  }
  return text;
}

}  // namespace attnbench
