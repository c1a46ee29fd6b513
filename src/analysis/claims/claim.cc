#include "analysis/claims/claim.h"

#include <algorithm>

#include "core/names.h"

namespace attnbench {
namespace {

constexpr NameTable<Relation, 9> kRelations{{{Relation::ratio, "ratio"},
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

std::string Claim::relations() const {
  std::vector<Relation> seen;
  std::string text;
  for (const auto& part : parts) {
    if (std::find(seen.begin(), seen.end(), part.relation) != seen.end()) continue;
    seen.push_back(part.relation);
    text += (text.empty() ? "" : ", ") + std::string(name(part.relation));
  }
  return text;
}

}  // namespace attnbench
