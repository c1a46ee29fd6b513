#include "report/peers_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <vector>

#include "analysis/format.h"
#include "report/left_out.h"

namespace attnbench {
namespace {

constexpr std::size_t kMostEngines = 4;  // with heading and what is missing: six lines

std::string call_time(double seconds) {
  const auto unit = unit_for(seconds);
  return fmt::format("{} {}", three_digits(seconds * unit.per_second), unit.name);
}

bool has_times(const PeerEngine& engine) { return engine.missing.empty(); }

std::string engine_line(const PeerEngine& e) {
  return fmt::format(
      "  {:<12} ahead in {}, tied in {}, behind in {}, not decided in {} of {}; ratio {} to {}\n", e.engine,
      e.ahead, e.tied, e.behind, e.undecided, e.ahead + e.tied + e.behind + e.undecided,
      ratio_text(*e.lowest), ratio_text(*e.highest));
}

/// Names as long as the line has room for them.
std::string missing_line(const std::vector<const PeerEngine*>& missing, std::size_t more) {
  std::vector<std::string> names;
  for (const auto* engine : missing) names.push_back(engine->engine);
  auto text = names.empty() ? "" : fmt::format("  without a ratio: {}", fmt::join(names, ", "));
  if (more > 0) text += fmt::format("{}{} more engines", names.empty() ? "  " : "; ", more);
  if (text.empty()) return "";
  text += " (attnbench analyze tells)";
  if (width_of(text) > kTextWidth)
    text = fmt::format("  {} engines without a ratio (attnbench analyze tells)", names.size());
  return text + '\n';
}

/// "1.24 (1.20-1.28)".
std::string ratio_cell(const PeerRow& row) {
  if (!row.ratio) return "-";
  const auto estimate = ratio_text(row.ratio->estimate);
  return row.ratio->is_bounded()
             ? fmt::format("{} ({}){}", estimate, range_text(*row.ratio), row.modes ? " modes" : "")
             : estimate;
}

std::string standing_cell(const PeerRow& row) {
  if (row.judgement) return fmt::format("{}, {}", to_string(row.standing), verdict_text(*row.judgement));
  if (row.status != "ok") return fmt::format("{}: {}", row.status, row.reason);
  return fmt::format("{}: {}", to_string(row.standing), row.reason);
}

std::string group_lines(const RunAnalysis& run, const GroupAnalysis& group) {
  std::vector<const PeerRow*> rows;
  std::map<std::pair<std::string, std::string>, int> absent;  // kernel and reason
  std::size_t width = 6;
  std::size_t ratio_width = 5;
  for (const auto& row : run.peers.rows) {
    if (row.group != group.id) continue;
    if (!row.seconds) {
      // Of what is unsupported at every N the tables before tell why.
      const bool is_news = row.status != "unsupported" || has_row(group, row.kernel);
      if (is_news) ++absent[{row.kernel, standing_cell(row)}];
      continue;
    }
    rows.push_back(&row);
    width = std::max(width, width_of(row.kernel));
    ratio_width = std::max(ratio_width, width_of(ratio_cell(row)));
  }
  std::string text;
  std::string heading;
  for (const auto* row : rows) {
    auto own = fmt::format("N = {}, {}", row->seqlen,
                           row->our_seconds
                               ? fmt::format("{} takes {}", row->ours, call_time(row->our_seconds->estimate))
                               : fmt::format("{}: no times of ours", row->mechanism));
    if (own != heading) text += "  " + own + '\n';
    heading = std::move(own);
    text +=
        fmt::format("    {:<{}}  {:>8}  {:<{}}  {}\n", row->kernel, width, call_time(row->seconds->estimate),
                    ratio_cell(*row), ratio_width, standing_cell(*row));
  }
  for (const auto& [what, cells] : absent)
    text += fmt::format("  {} at {} N: {}\n", what.first, cells, what.second);
  return text.empty() ? "" : fmt::format("\n{}: other engines / ours\n{}", group.heading, text);
}

}  // namespace

std::string peers_lines(const RunAnalysis& run) {
  if (run.peers.rows.empty()) return "";
  std::string text;
  std::vector<const PeerEngine*> missing;
  std::size_t shown = 0;
  std::size_t more = 0;
  for (const auto& engine : run.peers.engines) {
    if (!has_times(engine)) {
      missing.push_back(&engine);
    } else if (shown < kMostEngines) {
      ++shown;
      text += engine_line(engine);
    } else {
      ++more;
    }
  }
  if (text.empty()) return "Other engines\n" + missing_line(missing, more);
  return "Ours against other engines, each cell and mechanism; ratio: their time / ours, above 1 ours is "
         "faster\n" +
         text + missing_line(missing, more);
}

std::string peers_table(const RunAnalysis& run, std::size_t width) {
  if (run.peers.engines.empty()) return "";
  std::string text =
      "\nOurs and others: time of the other engine's kernel / time of our fused kernel, 95 % CI; verdicts "
      "are of "
      "ours, in a family of their own\n";
  for (const auto& engine : run.peers.engines) {
    text += has_times(engine) ? engine_line(engine)
                              : fmt::format("  {:<12} no ratio: {}\n", engine.engine, engine.missing);
  }
  for (const auto& group : run.groups) text += group_lines(run, group);
  return wrapped(text, width);
}

std::string peers_legend() {
  return R"(Ours and others: our fused kernel on its default path against each kernel of another engine, of the same mechanism in the
same cell. Ratio: time of the other / time of ours, over the processes that have both; above 1 ours is faster.
  ahead         FASTER: ours is shown to be faster
  tied          EQUIVALENT, within the margin of the other verdicts
  behind        SLOWER: ours is shown to be slower
  not decided   neither is shown, or the cell has no verdicts
All such comparisons of one device, element type and scope are one family, beside that of the verdicts against the
baseline. An engine's line counts cells and mechanisms; of its several kernels there the one decides that is worst for
ours. Its range of ratios is that of its fastest kernel in each.)";
}

}  // namespace attnbench
