#include <fmt/format.h>

#include "analysis/format.h"
#include "report/markdown.h"
#include "report/no_verdicts.h"
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

}  // namespace

std::string for_markdown(std::string_view text) { return replaced(text, {{'|', "\\|"}, {'\n', " "}}); }

std::string markdown_table(const RunAnalysis& run) {
  auto text = for_markdown(title_of(run)) + "\n";
  if (!run.mark.empty()) text += fmt::format("\n**{}**\n", for_markdown(run.mark));
  for (const auto& group : run.groups) {
    text += fmt::format("\n### {}\n\n", for_markdown(group.heading));
    text +=
        "| N | kernel | a query sees | time | ±% | ratio | 95 % CI | gain over dense | 95 % CI |\n"
        "|--:|:--|:--|--:|--:|--:|:--|--:|:--|\n";
    for (const auto& row : rows_of(run, group)) {
      for (const auto& field : row) text += fmt::format("| {} ", for_markdown(field));
      text += "|\n";
    }
    for (const auto& without : no_verdicts(group)) text += fmt::format("\n{}\n", for_markdown(without));
  }
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
