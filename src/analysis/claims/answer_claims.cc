#include "analysis/claims/answer_claims.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/claims/evidence.h"
#include "analysis/claims/magnitude.h"
#include "analysis/claims/sentences.h"
#include "stats/holm.h"
#include "stats/verdicts.h"

namespace attnbench {
namespace {

bool is_about(const Claim& claim, const CellRecord& cell) {
  const auto& where = claim.where;
  const auto& shape = cell.shape;
  return (where.phase.empty() || where.phase == cell.phase) &&
         (where.condition.empty() || where.condition == cell.condition) &&
         where.batch.value_or(shape.batch) == shape.batch &&
         where.heads.value_or(shape.num_q_heads) == shape.num_q_heads &&
         where.head_dim.value_or(shape.head_dim_qk) == shape.head_dim_qk;
}

/// Why the part's cells allow no verdict; empty where they do.
std::string why_no_verdict(const Evidence& evidence, const GroupAnalysis& group) {
  const auto& spec = evidence.part.spec;
  auto seqlens = spec.seqlens;
  seqlens.insert(seqlens.end(), spec.against_seqlens.begin(), spec.against_seqlens.end());
  seqlens.push_back(spec.seqlen);
  for (const auto seqlen : seqlens) {
    if (const auto* cell = group.at(seqlen); cell && !cell->withheld.empty()) return cell->withheld;
  }
  if (evidence.processes < static_cast<std::size_t>(stats::kFewestProcesses)) {
    return fmt::format("too few processes: {}, verdicts need {}", evidence.processes,
                       stats::kFewestProcesses);
  }
  return {};
}

void measure(ClaimPart& part) {
  const auto& spec = part.spec;
  const bool in_range = spec.relation == Relation::crossover && !spec.printed;
  const auto printed = in_range ? spec.between : spec.printed;
  if (spec.from_means) {
    part.magnitude_from_means = compare_with(part, PublishedValue{*spec.from_means, *spec.from_means});
  }
  part.magnitude = printed ? compare_with(part, *printed) : part.magnitude_from_means;
}

/// Directions and magnitudes of all parts of one answer.
std::vector<ClaimPart> judge(std::vector<Evidence> all, const RunAnalysis& run, const GroupAnalysis& group) {
  std::vector<double> family;
  std::vector<ClaimPart*> tested;
  std::vector<double> favours;  // above 0: as published
  for (auto& evidence : all) {
    auto& part = evidence.part;
    if (!part.reason.empty()) continue;
    if (evidence.exact) {
      part.direction = evidence.p_as_published < evidence.p_opposite ? Direction::holds : Direction::reversed;
      measure(part);
      continue;
    }
    part.reason = why_no_verdict(evidence, group);
    if (run.published) continue;
    part.direction = Direction::unresolved;
    if (evidence.processes >= 2) measure(part);
    if (part.spec.shown_only) continue;
    const bool open = !part.reason.empty();
    family.push_back(open ? 1 : std::min(1.0, 2 * std::min(evidence.p_as_published, evidence.p_opposite)));
    favours.push_back(evidence.p_opposite - evidence.p_as_published);
    tested.push_back(&part);
  }
  const auto adjusted = stats::holm(family);
  for (std::size_t i = 0; i < tested.size(); ++i) {
    tested[i]->p_adjusted = adjusted[i];
    if (adjusted[i] > stats::kFamilyError) continue;
    tested[i]->direction = favours[i] > 0 ? Direction::holds : Direction::reversed;
  }
  std::vector<ClaimPart> parts;
  for (auto& evidence : all) parts.push_back(std::move(evidence.part));
  return parts;
}

Direction direction_of(const std::vector<ClaimPart>& parts) {
  bool all_hold = true;
  bool any_tested = false;
  for (const auto& part : parts) {
    if (part.spec.shown_only) continue;
    if (part.direction == Direction::reversed) return Direction::reversed;
    all_hold = all_hold && part.direction == Direction::holds;
    any_tested = any_tested || part.direction != Direction::not_tested;
  }
  if (!any_tested) return Direction::not_tested;
  return all_hold ? Direction::holds : Direction::unresolved;
}

/// Whether the publication measured in such cells.
bool is_published_setting(const Claim& claim, const GroupAnalysis& group) {
  return group.dtype == claim.published_dtype && group.first().scope == claim.published_scope;
}

ClaimAnswer answer_in(const Claim& claim, const RunAnalysis& run, const GroupAnalysis& group, Form form) {
  const Operands operands(claim, group, form);
  std::vector<Evidence> all;
  for (const auto& spec : claim.parts) all.push_back(weigh(spec, operands));
  ClaimAnswer result;
  result.run = run.id;
  result.group = group.id;
  result.heading = group.heading;
  result.dtype = group.dtype;
  result.scope = group.first().scope;
  result.as_published = is_published_setting(claim, group);
  result.form = form;
  result.parts = judge(std::move(all), run, group);
  result.direction = direction_of(result.parts);
  result.magnitude = combined(result.parts);
  return result;
}

}  // namespace

std::vector<ClaimAnswer> answer(const Claim& claim, const RunAnalysis& run) {
  std::vector<ClaimAnswer> answers;
  for (const bool as_published : {true, false}) {
    for (const auto& group : run.groups) {
      if (!is_about(claim, group.first()) || is_published_setting(claim, group) != as_published) continue;
      auto of_published = answer_in(claim, run, group, Form::published);
      of_published.sentence = sentence(of_published, nullptr);
      if (claim.best.empty() || run.published) {
        answers.push_back(std::move(of_published));
        continue;
      }
      auto of_best = answer_in(claim, run, group, Form::best);
      of_best.sentence = sentence(of_best, &of_published);
      answers.push_back(std::move(of_published));
      answers.push_back(std::move(of_best));
    }
  }
  if (!answers.empty()) return answers;
  ClaimAnswer none;
  none.run = run.id;
  none.scope = claim.published_scope;
  none.dtype = claim.published_dtype;
  none.as_published = true;
  none.sentence = "Not tested: the run has no cells that the finding is about.";
  answers.push_back(std::move(none));
  return answers;
}

std::vector<ClaimResult> answer_claims(std::span<const Claim> claims, std::span<const RunAnalysis> runs) {
  std::vector<ClaimResult> results;
  for (const auto& claim : claims) {
    ClaimResult result{claim, {}};
    for (const auto& run : runs) {
      for (auto& one : answer(claim, run)) result.answers.push_back(std::move(one));
    }
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace attnbench
