#include "report/answer.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <vector>

#include "analysis/format.h"
#include "report/baselines.h"
#include "report/markdown.h"

namespace attnbench {
namespace {

/// The statements of one group.
struct GroupAnswer {
  std::string heading, baseline;
  struct At {
    std::int64_t seqlen;
    std::string use, library;  ///< library: empty where none was measured
  };
  std::vector<At> in_place;  ///< of the baseline: its own mechanism
  std::string other;         ///< of another function, at the largest N; empty where none is faster
};

/// "1.45 times as fast as the baseline (1.37-1.55)".
std::string speed(const stats::Interval& ratio, std::string_view than) {
  const auto range = ratio.is_bounded() ? fmt::format(" ({})", range_text(ratio)) : "";
  return fmt::format("{} times as fast as {}{}", ratio_text(ratio.estimate), than, range);
}

/// What the advice is about.
std::vector<const KernelAnalysis*> ranked(const CellAnalysis& cell, const Recommendation& advice) {
  std::vector<const KernelAnalysis*> kernels;
  for (const auto& kernel : cell.kernels) {
    const bool asked = advice.mechanism.empty() || kernel.kernel.mechanism == advice.mechanism;
    if (asked && kernel.ratio && kernel.unranked.empty()) kernels.push_back(&kernel);
  }
  return kernels;
}

const KernelAnalysis* first_of(const CellAnalysis& cell, const Recommendation& advice) {
  if (!advice.best.set.empty()) return cell.find(advice.best.set.front());
  const auto kernels = ranked(cell, advice);
  const auto best = std::max_element(kernels.begin(), kernels.end(), [](const auto* a, const auto* b) {
    return a->ratio->estimate < b->ratio->estimate;
  });
  return best == kernels.end() ? nullptr : *best;
}

/// "use X: .., shown to be the fastest", or the only one.
std::string use_text(const CellAnalysis& cell, const Recommendation& advice) {
  const auto* best = first_of(cell, advice);
  if (best == nullptr) return "";
  const auto how =
      best->kernel.is_baseline ? std::string("the baseline") : speed(*best->ratio, "the baseline");
  if (ranked(cell, advice).size() == 1)
    return fmt::format("use {}: {}, the only kernel measured", best->id(), how);
  if (!cell.withheld.empty())
    return fmt::format("not decided; the fastest measured is {}: {}", best->id(), how);
  if (advice.best.has_winner()) return fmt::format("use {}: {}, shown to be the fastest", best->id(), how);
  const auto others = advice.best.set.size() + advice.best.not_excluded.size() - 1;
  return fmt::format("use {}: {}; {} other{} may be as fast", best->id(), how, others,
                     others == 1 ? "" : "s");
}

std::string standing_text(const PeerRow& row) {
  switch (row.standing) {
    case PeerStanding::ahead:
      return "shown to be faster";
    case PeerStanding::tied:
      return fmt::format("shown to be as fast within ±{}", margin_text(row.judgement->margin_ratio));
    case PeerStanding::behind:
      return "shown to be slower";
    default:
      return "not decided";
  }
}

/// Against the other engines' fastest kernel of the mechanism there, of those that can be ranked.
std::string library_text(const RunAnalysis& run, const GroupAnalysis& group, const CellAnalysis& cell,
                         const std::string& mechanism) {
  const PeerRow* best = nullptr;
  for (const auto& row : run.peers.rows) {
    if (row.group != group.id || row.seqlen != cell.seqlen() || row.mechanism != mechanism || !row.ratio)
      continue;
    if (const auto* kernel = cell.find(row.kernel); kernel == nullptr || !kernel->unranked.empty()) continue;
    if (best == nullptr || row.seconds->estimate < best->seconds->estimate) best = &row;
  }
  if (best == nullptr) return "";
  return fmt::format("{} is {}, the best other library's; {}", best->ours, speed(*best->ratio, best->kernel),
                     standing_text(*best));
}

GroupAnswer answer_of(const RunAnalysis& run, const GroupAnalysis& group) {
  GroupAnswer answer{group.heading, "", {}, ""};
  for (const auto& advice : group.recommendation) {
    const auto* cell = group.at(advice.seqlen);
    const auto* baseline = cell == nullptr ? nullptr : cell->find(cell->baseline);
    if (baseline == nullptr) continue;
    answer.baseline = baselines_text(group);
    if (advice.mechanism == baseline->kernel.mechanism) {
      answer.in_place.push_back(
          {advice.seqlen, use_text(*cell, advice), library_text(run, group, *cell, advice.mechanism)});
    }
    if (!advice.mechanism.empty() || &group.cells.back() != cell) continue;
    if (const auto* best = first_of(*cell, advice); best != nullptr && !best->drop_in)
      answer.other = fmt::format("N = {}, if the model was trained so ({}): {}", advice.seqlen,
                                 best->function, use_text(*cell, advice));
  }
  return answer;
}

std::vector<GroupAnswer> answers_of(const RunAnalysis& run) {
  std::vector<GroupAnswer> answers;
  for (const auto& group : run.groups) {
    if (auto answer = answer_of(run, group); !answer.baseline.empty()) answers.push_back(std::move(answer));
  }
  return answers;
}

}  // namespace

std::vector<std::string> how_sure(const RunAnalysis& run) {
  std::map<std::string, int> reasons;
  std::size_t cells = 0;
  std::size_t judged = 0;
  for (const auto& group : run.groups) {
    for (const auto& cell : group.cells) {
      ++cells;
      judged += cell.withheld.empty();
      if (!cell.withheld.empty()) ++reasons[cell.withheld];
    }
  }
  std::vector<std::string> lines;
  if (run.published) return {"how sure: not known, the publication has means alone"};
  lines.push_back(
      fmt::format("how sure: {} of {} cells have verdicts (5 % error for each family of them){}{}", judged,
                  cells, run.mark.empty() ? "" : "; ", run.mark));
  for (const auto& [reason, count] : reasons)
    lines.push_back(fmt::format("  no verdict in {} cell{}: {}", count, count == 1 ? "" : "s", reason));
  return lines;
}

std::vector<Statement> answer_statements(const RunAnalysis& run) {
  std::vector<Statement> statements;
  for (const auto& answer : answers_of(run)) {
    statements.push_back({0, fmt::format("{}, in place of {}", answer.heading, answer.baseline)});
    for (const auto& at : answer.in_place) {
      statements.push_back({1, fmt::format("N = {}: {}", at.seqlen, at.use)});
      if (!at.library.empty()) statements.push_back({2, at.library});
    }
    if (!answer.other.empty()) statements.push_back({1, answer.other});
  }
  return statements;
}

std::string answer_lines(const RunAnalysis& run, std::size_t width) {
  const auto statements = answer_statements(run);
  if (statements.empty()) return "";
  std::string text = "What to use here:\n";
  for (const auto& [level, statement] : statements)
    text += fmt::format("{:{}}{}\n", "", 2 * level, statement);
  for (const auto& line : how_sure(run)) text += line + '\n';
  return wrapped(text, width);
}

std::string answer_markdown(const RunAnalysis& run) {
  std::string text;
  for (const auto& answer : answers_of(run)) {
    text += fmt::format("**{}**, in place of `{}`:\n\n", for_markdown(answer.heading), answer.baseline);
    for (const auto& at : answer.in_place) {
      text += fmt::format("- N = {}: {}\n", at.seqlen, for_markdown(at.use));
      if (!at.library.empty()) text += fmt::format("  - {}\n", for_markdown(at.library));
    }
    if (!answer.other.empty()) text += fmt::format("- {}\n", for_markdown(answer.other));
    text += '\n';
  }
  for (const auto& line : how_sure(run)) text += fmt::format("> {}\n", for_markdown(line));
  return text;
}

}  // namespace attnbench
