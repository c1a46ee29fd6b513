#include "analysis/claims/sentences.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/claims/part_sentences.h"

namespace attnbench {
namespace {

/// From so many parts of a relation on, they are summed up.
constexpr std::size_t kManyParts = 7;

using Parts = std::vector<const ClaimPart*>;

/// " Of its 4 parts 2 are confirmed and 1 is reversed."
std::string parts_text(const ClaimAnswer& answer) {
  int all = 0;
  int confirmed = 0;
  int reversed = 0;
  for (const auto& part : answer.parts) {
    if (part.spec.shown_only) continue;
    ++all;
    confirmed += part.direction == Direction::holds;
    reversed += part.direction == Direction::reversed;
  }
  if (all == 1) return {};
  const auto number = [](int count) {
    return fmt::format("{} {}", count == 0 ? "none" : std::to_string(count), count > 1 ? "are" : "is");
  };
  return fmt::format(" Of its {} parts {} confirmed and {} reversed.", all, number(confirmed),
                     number(reversed));
}

/// Why nothing was tested, where that is one reason for all parts.
std::string shared_reason(const ClaimAnswer& answer) {
  if (answer.direction != Direction::not_tested || answer.parts.empty()) return {};
  const auto& reason = answer.parts[0].reason;
  const bool is_shared = std::all_of(answer.parts.begin(), answer.parts.end(), [&](const auto& part) {
    return part.reason == reason && part.direction == Direction::not_tested;
  });
  return is_shared ? reason : "";
}

/// "Kernels as published (layer f32): REVERSED." The kernels of the answer are those that compute as the
/// published ones do, or the fastest of each mechanism.
std::string lead(const ClaimAnswer& answer) {
  const auto* with = answer.form == Form::best ? "Fastest kernels" : "Kernels as published";
  const auto reason = shared_reason(answer);
  return fmt::format("{} ({}): {}{}{}.", with, answer.heading, to_string(answer.direction),
                     reason.empty() ? "" : ", ", reason);
}

/// What the published kernels and the fastest ones say together.
std::string conclusion(Direction published, Direction best) {
  const auto is_resolved = [](Direction d) { return d == Direction::holds || d == Direction::reversed; };
  if (!is_resolved(published) || !is_resolved(best)) return {};
  if (published == best) {
    return published == Direction::holds ? " It holds of the mechanisms, not only of the published kernels."
                                         : " It is reversed for the mechanisms too.";
  }
  return published == Direction::holds
             ? " The finding is about the published kernels, not about the mechanisms."
             : " It fails with the published kernels alone; of the fastest kernels it holds.";
}

bool same_kernels(const ClaimAnswer& a, const ClaimAnswer& b) {
  return std::equal(a.parts.begin(), a.parts.end(), b.parts.begin(), b.parts.end(),
                    [](const auto& x, const auto& y) {
                      return x.kernel == y.kernel && x.against == y.against && x.spec.among.empty();
                    });
}

bool has_data(const ClaimPart& part) {
  return part.value || part.never_slower || part.never_faster || !part.best.empty();
}

/// Parts to be told in one sentence: of a relation with many parts all, else those that differ in N alone.
std::vector<Parts> grouped(const std::vector<ClaimPart>& all) {
  const auto is_many = [&](Relation relation) {
    const auto count = std::count_if(all.begin(), all.end(), [&](const auto& part) {
      return part.spec.relation == relation && has_data(part);
    });
    return static_cast<std::size_t>(count) >= kManyParts;
  };
  const auto belong_together = [&](const ClaimPart& a, const ClaimPart& b) {
    if (a.spec.relation != b.spec.relation) return false;
    if (a.spec.relation == Relation::best_set || is_many(a.spec.relation)) return true;
    return a.kernel == b.kernel && a.against == b.against && a.spec.measure == b.spec.measure;
  };
  std::vector<Parts> groups;
  for (const auto& part : all) {
    if (!has_data(part)) continue;
    const auto group = std::find_if(groups.begin(), groups.end(),
                                    [&](const auto& parts) { return belong_together(*parts[0], part); });
    if (group == groups.end())
      groups.push_back({&part});
    else
      group->push_back(&part);
  }
  return groups;
}

std::string untested(const std::vector<ClaimPart>& parts) {
  std::vector<std::string> reasons;
  for (const auto& part : parts) {
    if (!has_data(part) && !part.reason.empty() &&
        std::find(reasons.begin(), reasons.end(), part.reason) == reasons.end())
      reasons.push_back(part.reason);
  }
  return reasons.empty() ? "" : fmt::format(" Not tested: {}.", fmt::join(reasons, "; "));
}

}  // namespace

std::string sentence(const ClaimAnswer& answer, const ClaimAnswer* of_published) {
  auto text = lead(answer);
  auto parts = answer.parts;
  if (!shared_reason(answer).empty()) {
    for (auto& part : parts) part.reason.clear();  // it stands in the lead
  }
  const auto groups = grouped(parts);
  const bool all_summed_up = groups.size() == 1 && groups[0].size() >= kManyParts;
  if (answer.direction != Direction::holds && answer.direction != Direction::not_tested && !all_summed_up)
    text += parts_text(answer);
  if (of_published != nullptr && answer.direction != Direction::not_tested &&
      same_kernels(answer, *of_published)) {
    return text + " These are the same kernels; the tests allow for their having been chosen.";
  }
  for (const auto& group : groups)
    text += " " + (group.size() >= kManyParts ? summed_up(group) : describe(group));
  text += untested(parts);
  if (of_published != nullptr) text += conclusion(of_published->direction, answer.direction);
  return text;
}

}  // namespace attnbench
