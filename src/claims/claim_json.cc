#include "claims/claim_json.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "claims/part_text.h"

namespace attnbench {
namespace {

using nlohmann::json;

json finite(double value) { return std::isfinite(value) ? json(value) : json(nullptr); }

template <typename T, typename Convert>
json optional(const std::optional<T>& value, Convert convert) {
  return value ? convert(*value) : json(nullptr);
}

/// A bound that is not known is null; 0 is no bound of a ratio either.
json interval(const stats::Interval& value) {
  const bool exact = value.low == value.high;
  return {{"estimate", finite(value.estimate)},
          {"low", exact || value.low != 0 ? finite(value.low) : json(nullptr)},
          {"high", finite(value.high)}};
}

json published(const PublishedValue& value) {
  return value.is_range() ? json{value.low, value.high} : json(value.low);
}

json text_or_null(const std::string& text) { return text.empty() ? json(nullptr) : json(text); }

json ranges(const ClaimPart& part) {
  if (part.spec.relation != Relation::crossover || part.direction == Direction::not_tested) return nullptr;
  auto list = json::array();
  for (const auto& range : part.crossover.ranges) {
    list.push_back({{"low", range.low},
                    {"high", range.high},
                    {"open_low", range.open_low},
                    {"open_high", range.open_high}});
  }
  return list;
}

json best(const ClaimPart& part) {
  if (part.spec.relation != Relation::best_set) return nullptr;
  auto list = json::array();
  for (const auto& one : part.best) list.push_back({{"seqlen", one.seqlen}, {"kernels", one.kernels}});
  return list;
}

json winner(const ClaimPart& part) {
  return part.direction == Direction::reversed ? text_or_null(part.winner) : json(nullptr);
}

/// What a comparison asks, as its file states it.
json stated(const PartSpec& spec) {
  const bool between = spec.between.is_range() && !spec.printed;
  return {{"what", comparison_text(spec)},
          {"relation", name(spec.relation)},
          {"measure", measure_text(spec)},
          {"seqlen", spec.seqlen > 0 ? json(spec.seqlen) : json(nullptr)},
          {"expect", text_or_null(std::string(name(spec.expect)))},
          {"printed", between ? published(spec.between) : optional(spec.printed, published)},
          {"from_means", optional(spec.from_means, finite)},
          {"published_quotient", optional(spec.published_quotient(), finite)},
          {"published_text", published_text(spec)},
          {"contradicted_by_means", contradicted_by_means(spec)}};
}

json stated(const std::vector<PartSpec>& specs) {
  auto list = json::array();
  for (const auto& spec : specs) list.push_back(stated(spec));
  return list;
}

json to_json(const ClaimPart& part) {
  auto out = stated(part.spec);
  out.update({{"kernel", text_or_null(part.kernel)},
              {"against", text_or_null(part.against)},
              {"at_seqlen", part.at_seqlen > 0 ? json(part.at_seqlen) : json(nullptr)},
              {"value", optional(part.value, interval)},
              {"other", optional(part.other, interval)},
              {"quotient", optional(part.quotient, interval)},
              {"modes", part.modes},
              {"winner", winner(part)},
              {"ranges", ranges(part)},
              {"best", best(part)},
              {"direction", part.spec.has_direction() ? json(to_string(part.direction)) : json(nullptr)},
              {"magnitude", to_string(part.magnitude)},
              {"as_published", part.is_as_published()},
              {"estimate_text", estimate_text(part)},
              {"measured_text", measured_text(part)},
              {"outcome", outcome_text(part)},
              {"p", optional(part.p, finite)},
              {"reason", part.reason}});
  return out;
}

json to_json(const std::vector<ClaimPart>& parts) {
  auto list = json::array();
  for (const auto& part : parts) list.push_back(to_json(part));
  return list;
}

json beside_json(const ClaimAnswer& answer) {
  auto list = json::array();
  for (const auto& [says, part] : answer.beside)
    list.push_back({{"says", says}, {"comparison", to_json(part)}});
  return list;
}

json to_json(const ClaimAnswer& answer) {
  json out = {{"run", answer.run},
              {"group", answer.group},
              {"heading", answer.heading},
              {"dtype", answer.dtype},
              {"scope", answer.scope},
              {"as_published", answer.as_published},
              {"form", to_string(answer.form)},
              {"apple_silicon", answer.apple_silicon},
              {"direction", to_string(answer.direction)},
              {"magnitude", to_string(answer.magnitude)},
              {"verdict", verdict_text(answer)},
              {"sentence", answer.sentence},
              {"headline", to_json(answer.parts)},
              {"details", to_json(answer.details)},
              {"details_text", details_text(answer)},
              {"beside", beside_json(answer)}};
  if (!answer.stand_ins.empty()) out["stand_ins"] = answer.stand_ins;
  return out;
}

}  // namespace

json to_json(const ClaimResult& result) {
  const auto& claim = result.claim;
  auto answers = json::array();
  for (const auto& answer : result.answers) answers.push_back(to_json(answer));
  return {{"number", claim.number},
          {"id", claim.id},
          {"title", claim.title},
          {"quote", claim.headline.quote},
          {"source", claim.headline.source},
          {"note", claim.headline.note},
          {"published",
           {{"scope", claim.published_scope},
            {"dtype", claim.published_dtype},
            {"text", published_text(claim.headline.parts)},
            {"headline", stated(claim.headline.parts)},
            {"details", stated(claim.details)}}},
          {"answers", answers}};
}

}  // namespace attnbench
