#include <fmt/format.h>

#include <cmath>

#include "analysis/claims/sentences.h"
#include "analysis/format.h"

namespace attnbench {

std::string value_text(const PartSpec& spec, double value) {
  switch (spec.relation) {
    case Relation::crossover:
      return fmt::format("{:.0f}", value);
    case Relation::cv_bound:
    case Relation::memory:
      return three_digits(100 * value) + " %";
    case Relation::slope:
      return fmt::format("{:.2f}", value);
    case Relation::ratio:
    case Relation::equivalence:
    case Relation::trend:
    case Relation::step:
    case Relation::best_set:
      break;
  }
  return ratio_text(value) + "x";
}

std::string printed_text(const PartSpec& spec) {
  // As many digits as were printed.
  const auto number = [&](double value) {
    if (spec.relation == Relation::memory) return fmt::format("{:g} %", 100 * value);
    const bool is_ratio = spec.relation != Relation::crossover && spec.relation != Relation::slope;
    return fmt::format("{:g}{}", value, is_ratio ? "x" : "");
  };
  const auto range = [&](const PublishedValue& value) {
    if (!value.is_range()) return number(value.low);
    return fmt::format("{} to {}", number(value.low), number(value.high));
  };
  if (spec.printed) return range(*spec.printed);
  return spec.relation == Relation::crossover ? range(spec.between) : "";
}

std::string measure_text(const PartSpec& spec) {
  switch (spec.relation) {
    case Relation::ratio:
    case Relation::equivalence:
      return spec.measure == Measure::speed ? "speed ratio" : "time ratio";
    case Relation::trend:
      return "growth per doubling";
    case Relation::crossover:
      return "crossover N";
    case Relation::step:
      return "step";
    case Relation::slope:
      return "exponent";
    case Relation::cv_bound:
      return "CV";
    case Relation::memory:
      return "saved share";
    case Relation::best_set:
      break;
  }
  return "fastest";
}

std::string comparison_text(const PartSpec& spec) {
  std::string text = spec.kernel;
  if (spec.relation == Relation::best_set)
    text = spec.kernel.empty() ? "no one is the fastest" : spec.kernel + " the fastest";
  if (!spec.against.empty()) text += " against " + spec.against;
  if (spec.seqlen > 0) text += fmt::format(" at N = {}", spec.seqlen);
  if (!spec.seqlens.empty()) text += fmt::format(" over N = {}", fmt::join(spec.seqlens, ", "));
  if (!spec.against_seqlens.empty())
    text += fmt::format(" against N = {}", fmt::join(spec.against_seqlens, ", "));
  return text;
}

}  // namespace attnbench
