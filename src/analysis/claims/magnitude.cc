#include "analysis/claims/magnitude.h"

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

/// What agrees with a published value.
PublishedValue around(const PublishedValue& published, Relation relation) {
  if (published.is_range()) return published;
  double width = std::log(kAgreementFactor);
  if (is_effect(relation)) width = std::min(width, std::abs(std::log(published.low)) / 2);
  return {published.low * std::exp(-width), published.high * std::exp(width)};
}

Magnitude beside(double low, double high, const PublishedValue& published, Relation relation) {
  const auto near = around(published, relation);
  if (low >= near.low && high <= near.high) return Magnitude::agrees;
  const double centre = std::sqrt(published.low * published.high);
  const bool below_one = is_effect(relation) && centre < 1;
  if (is_effect(relation) && (below_one ? low > 1 : centre > 1 && high < 1)) return Magnitude::opposite;
  if (high < published.low) return below_one ? Magnitude::larger : Magnitude::smaller;
  if (low > published.high) return below_one ? Magnitude::smaller : Magnitude::larger;
  return Magnitude::too_wide;
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

Magnitude compare_with(const ClaimPart& part, const PublishedValue& published) {
  if (!has_size(part.spec.relation)) return Magnitude::none;
  if (part.spec.relation == Relation::crossover) return crossover_beside(part, published);
  if (!part.value || !part.value->is_bounded()) return Magnitude::none;
  return beside(part.value->low, part.value->high, published, part.spec.relation);
}

Magnitude combined(std::span<const ClaimPart> parts) {
  auto result = Magnitude::none;
  for (const auto& part : parts) {
    if (part.magnitude == Magnitude::none) continue;
    if (result != Magnitude::none && part.magnitude != result) return Magnitude::in_part;
    result = part.magnitude;
  }
  return result;
}

}  // namespace attnbench
