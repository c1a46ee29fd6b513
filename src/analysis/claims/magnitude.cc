#include "analysis/claims/magnitude.h"

#include <cmath>
#include <limits>

namespace attnbench {
namespace {

Magnitude beside(double low, double high, const PublishedValue& published) {
  if (high < published.low) return Magnitude::smaller;
  if (low > published.high) return Magnitude::larger;
  return Magnitude::agrees;
}

bool is_ratio(Relation relation) {
  switch (relation) {
    case Relation::ratio:
    case Relation::equivalence:
    case Relation::trend:
    case Relation::step:
      return true;
    case Relation::best_set:
    case Relation::crossover:
    case Relation::slope:
    case Relation::cv_bound:
    case Relation::memory:
      break;
  }
  return false;
}

/// All lengths at which neither kernel is shown to be faster, ends open where they were not reached.
Magnitude crossover_beside(const ClaimPart& part, const PublishedValue& published) {
  const auto& ranges = part.crossover.ranges;
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (ranges.empty()) {  // one is shown to be faster everywhere, and p says which
    return part.never_slower ? Magnitude::smaller : Magnitude::larger;
  }
  bool below = false;
  bool above = false;
  for (const auto& range : ranges) {
    switch (beside(range.open_low ? 0 : range.low, range.open_high ? kInfinity : range.high, published)) {
      case Magnitude::smaller:
        below = true;
        break;
      case Magnitude::larger:
        above = true;
        break;
      default:
        return Magnitude::agrees;
    }
  }
  return below && above ? Magnitude::mixed : below ? Magnitude::smaller : Magnitude::larger;
}

}  // namespace

Magnitude compare_with(const ClaimPart& part, const PublishedValue& published) {
  if (part.spec.relation == Relation::crossover) return crossover_beside(part, published);
  if (!part.value || !part.value->is_bounded()) return Magnitude::none;
  const auto magnitude = beside(part.value->low, part.value->high, published);
  // Below 1 a published ratio is the larger the smaller it is.
  const bool turned = is_ratio(part.spec.relation) && std::sqrt(published.low * published.high) < 1;
  if (turned && magnitude == Magnitude::smaller) return Magnitude::larger;
  if (turned && magnitude == Magnitude::larger) return Magnitude::smaller;
  return magnitude;
}

Magnitude combined(std::span<const ClaimPart> parts) {
  auto result = Magnitude::none;
  for (const auto& part : parts) {
    if (part.magnitude == Magnitude::none) continue;
    if (result == Magnitude::none || result == Magnitude::agrees) {
      result = part.magnitude;
    } else if (part.magnitude != Magnitude::agrees && part.magnitude != result) {
      return Magnitude::mixed;
    }
  }
  return result;
}

}  // namespace attnbench
