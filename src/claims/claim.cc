#include "claims/claim.h"

#include <cmath>
#include <set>

#include "core/names.h"

namespace attnbench {
namespace {

constexpr NameTable<Relation, 10> kRelations{{{Relation::ratio, "ratio"},
                                              {Relation::range, "range"},
                                              {Relation::equivalence, "equivalence"},
                                              {Relation::best_set, "best_set"},
                                              {Relation::trend, "trend"},
                                              {Relation::crossover, "crossover"},
                                              {Relation::step, "step"},
                                              {Relation::slope, "slope"},
                                              {Relation::cv_bound, "cv_bound"},
                                              {Relation::memory, "memory"}}};
constexpr NameTable<Expect, 8> kExpects{{{Expect::faster, "faster"},
                                         {Expect::slower, "slower"},
                                         {Expect::rising, "rising"},
                                         {Expect::falling, "falling"},
                                         {Expect::larger, "larger"},
                                         {Expect::smaller, "smaller"},
                                         {Expect::above, "above"},
                                         {Expect::below, "below"}}};
constexpr NameTable<Measure, 2> kMeasures{{{Measure::speed, "speed"}, {Measure::time, "time"}}};

}  // namespace

std::string_view name(Relation relation) { return name_in(kRelations, relation); }
Relation parse_relation(std::string_view text) { return parse_in(kRelations, "relation", text); }

std::string_view name(Expect expect) {
  return expect == Expect::nothing ? std::string_view{} : name_in(kExpects, expect);
}
Expect parse_expect(std::string_view text) { return parse_in(kExpects, "expect", text); }

std::string_view name(Measure measure) { return name_in(kMeasures, measure); }
Measure parse_measure(std::string_view text) { return parse_in(kMeasures, "measure", text); }

bool PartSpec::has_direction() const {
  const bool needs_word = relation == Relation::ratio || relation == Relation::slope;
  return !needs_word || expect != Expect::nothing;
}

std::optional<double> PartSpec::published_quotient() const {
  if (!from_means || !against_from_means) return std::nullopt;
  const auto per_doubling = [](double step, const std::vector<std::int64_t>& lengths) {
    return std::log(step) / std::log2(static_cast<double>(lengths[1]) / static_cast<double>(lengths[0]));
  };
  const auto& compared = against_seqlens.empty() ? seqlens : against_seqlens;
  return std::exp(per_doubling(*from_means, seqlens) - per_doubling(*against_from_means, compared));
}

std::vector<std::int64_t> PartSpec::lengths() const {
  std::set<std::int64_t> all(seqlens.begin(), seqlens.end());
  all.insert(against_seqlens.begin(), against_seqlens.end());
  if (seqlen > 0) all.insert(seqlen);
  return {all.begin(), all.end()};
}

bool contradicted_by_means(const PartSpec& spec) {
  if (!spec.from_means) return false;
  const double value = *spec.from_means;
  const double speed = spec.measure == Measure::speed ? value : 1 / value;
  switch (spec.relation) {
    case Relation::ratio:
      return (spec.expect == Expect::faster && speed < 1) || (spec.expect == Expect::slower && speed > 1);
    case Relation::trend:
      return spec.expect == Expect::rising ? value < 1 : value > 1;
    case Relation::range:
    case Relation::crossover:
      return value < spec.between.low || value > spec.between.high;
    case Relation::equivalence:
      return value > spec.margin.value_or(kOwnMargin);
    case Relation::step:
      if (const auto quotient = spec.published_quotient())
        return spec.expect == Expect::larger ? *quotient < 1 : *quotient > 1;
      break;
    case Relation::best_set:
    case Relation::slope:
    case Relation::cv_bound:
    case Relation::memory:
      break;
  }
  return false;
}

}  // namespace attnbench
