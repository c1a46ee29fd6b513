#include "claims/answer_claims.h"

#include <algorithm>

#include "claims/evidence.h"
#include "claims/magnitude.h"
#include "claims/sentences.h"
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

Direction opposite_of(Relation relation) {
  const bool is_range =
      relation == Relation::range || relation == Relation::crossover || relation == Relation::memory;
  return is_range ? Direction::outside : Direction::reversed;
}

/// All that one comparison says by itself: two-sided p, magnitude, reason. True where it is a test.
bool look_at(Evidence& evidence, const RunAnalysis& run) {
  auto& part = evidence.part;
  if (!part.reason.empty()) return false;
  if (evidence.exact) {
    part.direction =
        evidence.p_as_published < evidence.p_opposite ? Direction::holds : opposite_of(part.spec.relation);
    return false;
  }
  part.reason = evidence.no_verdict;
  if (run.published) return false;
  part.direction = Direction::unresolved;
  if (part.reason.empty()) part.magnitude = size_of(part);
  if (!part.spec.has_direction()) return false;
  part.p =
      part.reason.empty() ? std::min(1.0, 2 * std::min(evidence.p_as_published, evidence.p_opposite)) : 1;
  return true;
}

void resolve(Evidence& evidence) {
  auto& part = evidence.part;
  if (!evidence.no_verdict.empty()) return part.p.reset();  // stood in the family alone
  if (*part.p > stats::kFamilyError) {
    part.magnitude = Magnitude::none;  // of what direction?
    if (part.reason.empty()) part.reason = evidence.left_out;
    if (part.reason.empty() && evidence.held_by_modes()) part.reason = "modes among the processes";
    return;
  }
  part.direction =
      evidence.p_as_published < evidence.p_opposite ? Direction::holds : opposite_of(part.spec.relation);
}

/// Of a headline from its comparisons.
Direction direction_of(const std::vector<ClaimPart>& parts) {
  const auto count = [&](auto... directions) {
    return std::count_if(parts.begin(), parts.end(),
                         [&](const auto& part) { return ((part.direction == directions) || ...); });
  };
  const auto all = std::ssize(parts);
  if (count(Direction::not_tested) > 0) return Direction::not_tested;
  if (count(Direction::holds) == all) return Direction::holds;
  if (count(Direction::reversed) == all) return Direction::reversed;
  if (count(Direction::outside) == all) return Direction::outside;
  const bool differ = count(Direction::holds) > 0 && count(Direction::reversed, Direction::outside) > 0;
  return differ ? Direction::in_part : Direction::unresolved;
}

/// Whether the publication measured in such cells.
bool is_published_setting(const Claim& claim, const GroupAnalysis& group) {
  return group.dtype == claim.published_dtype && group.first().scope == claim.published_scope;
}

/// An answer on its way.
struct Draft {
  std::size_t claim = 0;
  ClaimAnswer answer;
  std::vector<Evidence> headline;
};

/// What stands beside a claim: kernels of one engine that are there. It is no test of anything published.
std::vector<ClaimAnswer::Beside> beside(const Claim& claim, const Operands& operands) {
  std::vector<ClaimAnswer::Beside> list;
  const auto engine_of = [](const std::string& id) {
    return id.substr(id.find('@') + 1, id.find(':') - id.find('@') - 1);
  };
  for (const auto& [says, spec] : claim.beside) {
    const auto& kernel = operands.kernel(spec.kernel);
    const auto& against = operands.kernel(spec.against);
    if (kernel.empty() || against.empty() || engine_of(kernel) != engine_of(against)) continue;
    auto evidence = weigh(spec, operands);
    if (evidence.part.value) list.push_back({says, std::move(evidence.part)});
  }
  return list;
}

Draft draft(std::size_t index, const Claim& claim, const RunAnalysis& run, const GroupAnalysis& group,
            Form form, std::string_view engine) {
  const Operands operands(claim, group, form, engine);
  Draft draft{index, {}, {}};
  for (const auto& spec : claim.headline.parts) draft.headline.push_back(weigh(spec, operands));
  auto& answer = draft.answer;
  for (const auto& spec : claim.details) {
    auto evidence = weigh(spec, operands);
    if (look_at(evidence, run)) resolve(evidence);
    answer.details.push_back(std::move(evidence.part));
  }
  if (form == Form::published) answer.beside = beside(claim, operands);
  answer.stand_ins = operands.stand_ins();
  answer.group = group.id;
  answer.heading = group.heading;
  answer.dtype = group.dtype;
  answer.scope = group.first().scope;
  answer.as_published = is_published_setting(claim, group);
  answer.form = form;
  return draft;
}

/// All answers of a run but for what depends on the family.
std::vector<Draft> drafts(std::span<const Claim> claims, const RunAnalysis& run, std::string_view engine) {
  std::vector<Draft> all;
  for (std::size_t i = 0; i < claims.size(); ++i) {
    const auto& claim = claims[i];
    const auto before = all.size();
    for (const bool as_published : {true, false}) {
      for (const auto& group : run.groups) {
        if (!is_about(claim, group.first()) || is_published_setting(claim, group) != as_published) continue;
        all.push_back(draft(i, claim, run, group, Form::published, engine));
        if (!claim.best.empty() && !run.published)
          all.push_back(draft(i, claim, run, group, Form::best, engine));
      }
    }
    if (all.size() > before) continue;
    Draft none;
    none.claim = i;
    none.answer.scope = claim.published_scope;
    none.answer.dtype = claim.published_dtype;
    none.answer.as_published = true;
    all.push_back(std::move(none));
  }
  return all;
}

/// Resolves all headlines of a run as one family.
void judge(std::vector<Draft>& drafts, const RunAnalysis& run) {
  std::vector<Evidence*> tested;
  std::vector<double> p;
  for (auto& draft : drafts) {
    for (auto& evidence : draft.headline) {
      if (!look_at(evidence, run)) continue;
      tested.push_back(&evidence);
      p.push_back(*evidence.part.p);
    }
  }
  const auto adjusted = stats::holm(p);
  for (std::size_t i = 0; i < tested.size(); ++i) {
    tested[i]->part.p = adjusted[i];
    resolve(*tested[i]);
  }
}

bool is_tested(const ClaimAnswer& answer) {
  const auto tested = [](const ClaimPart& part) { return part.direction != Direction::not_tested; };
  return std::any_of(answer.parts.begin(), answer.parts.end(), tested) ||
         std::any_of(answer.details.begin(), answer.details.end(), tested);
}

void conclude(Draft& draft, const RunAnalysis& run) {
  auto& answer = draft.answer;
  answer.run = run.id;
  answer.apple_silicon = run.machine.starts_with("Apple");
  for (auto& evidence : draft.headline) answer.parts.push_back(std::move(evidence.part));
  if (!is_tested(answer)) answer.stand_ins.clear();
  if (answer.parts.empty()) return;
  answer.direction = direction_of(answer.parts);
  const bool is_resolved =
      answer.direction != Direction::unresolved && answer.direction != Direction::not_tested;
  if (is_resolved) answer.magnitude = combined(answer.parts);
}

}  // namespace

std::vector<ClaimResult> answer_claims(std::span<const Claim> claims, std::span<const RunAnalysis> runs,
                                       std::string_view engine) {
  std::vector<ClaimResult> results;
  for (const auto& claim : claims) results.push_back({claim, {}});
  for (const auto& run : runs) {
    auto all = drafts(claims, run, engine);
    judge(all, run);
    for (auto& one : all) conclude(one, run);
    for (std::size_t i = 0; i < all.size(); ++i) {
      auto& answer = all[i].answer;
      // A companion follows the answer of the published kernels.
      answer.sentence = sentence(answer, answer.form == Form::best ? &all[i - 1].answer : nullptr);
    }
    for (auto& one : all) results[one.claim].answers.push_back(std::move(one.answer));
  }
  return results;
}

}  // namespace attnbench
