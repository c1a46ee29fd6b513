#include "claims/magnitude.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace attnbench {
namespace {

/// Relations whose value is 1 where there is no effect.
bool is_effect(Relation relation) {
  return relation == Relation::ratio || relation == Relation::trend || relation == Relation::step;
}

bool has_size(Relation relation) {
  return is_effect(relation) || relation == Relation::crossover || relation == Relation::slope;
}

/// Where an interval must lie to agree with a published value that it holds.
PublishedValue around(const PublishedValue& published, Relation relation) {
  if (published.is_range()) return published;
  double width = std::log(kAgreementFactor);
  if (is_effect(relation)) width = std::min(width, std::abs(std::log(published.low)) / 2);
  return {published.low * std::exp(-width), published.high * std::exp(width)};
}

Magnitude beside(double low, double high, const PublishedValue& published, Relation relation) {
  if (low <= published.high && high >= published.low) {
    const auto near = around(published, relation);
    return low >= near.low && high <= near.high ? Magnitude::agrees : Magnitude::too_wide;
  }
  const bool is_below = high < published.low;
  if (!is_effect(relation)) return is_below ? Magnitude::smaller : Magnitude::larger;
  const bool published_below = std::sqrt(published.low * published.high) < 1;
  if (published_below ? low > 1 : high < 1) return Magnitude::opposite;
  return is_below != published_below ? Magnitude::smaller : Magnitude::larger;
}

/// All lengths at which neither kernel is shown to be faster, ends open where they were not reached.
Magnitude crossover_beside(const ClaimPart& part, const PublishedValue& published) {
  const auto& ranges = part.crossover.ranges;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (ranges.empty()) {  // one is shown to be faster everywhere
    if (part.never_slower) return Magnitude::smaller;
    return part.never_faster ? Magnitude::larger : Magnitude::none;
  }
  const auto& first = ranges.front();
  const auto& last = ranges.back();
  return beside(first.open_low ? 0 : first.low, last.open_high ? kInfinity : last.high, published,
                Relation::crossover);
}

}  // namespace

Magnitude step_beside(const ClaimPart& part) {
  const auto published = part.spec.published_quotient();
  if (!published || contradicted_by_means(part.spec)) return Magnitude::none;
  if (!part.quotient || !part.quotient->is_bounded()) return Magnitude::none;
  return beside(part.quotient->low, part.quotient->high, {*published, *published}, Relation::step);
}

Magnitude compare_with(const ClaimPart& part, const PublishedValue& published) {
  if (!has_size(part.spec.relation)) return Magnitude::none;
  if (part.spec.relation == Relation::crossover) return crossover_beside(part, published);
  if (!part.value || !part.value->is_bounded()) return Magnitude::none;
  return beside(part.value->low, part.value->high, published, part.spec.relation);
}

Magnitude size_of(const ClaimPart& part) {
  const auto& spec = part.spec;
  if (spec.relation == Relation::step) return step_beside(part);
  if (spec.relation == Relation::slope && !spec.against.empty()) return Magnitude::none;
  if (spec.printed) return compare_with(part, *spec.printed);
  if (spec.relation == Relation::crossover) return compare_with(part, spec.between);
  if (spec.from_means) return compare_with(part, {*spec.from_means, *spec.from_means});
  return Magnitude::none;
}

Magnitude combined(std::span<const ClaimPart> parts) {
  auto result = Magnitude::none;
  for (const auto& part : parts) {
    if (!part.reason.empty()) return Magnitude::none;
    if (part.magnitude == Magnitude::none) continue;
    if (result != Magnitude::none && part.magnitude != result) return Magnitude::in_part;
    result = part.magnitude;
  }
  return result;
}

}  // namespace attnbench
