#include "analysis/claims/sentences.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace attnbench {
namespace {

/// From so many parts of a relation on, they are summed up.
constexpr std::size_t kManyParts = 7;

std::string listed(const std::vector<std::string>& items, const char* last = "and") {
  if (items.size() < 2) return items.empty() ? "" : items[0];
  std::string text;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) text += i + 1 == items.size() ? fmt::format(" {} ", last) : ", ";
    text += items[i];
  }
  return text;
}

std::string seqlens_text(const std::vector<std::int64_t>& seqlens) {
  return fmt::format("N = {} to {}", seqlens.front(), seqlens.back());
}

std::string with_interval(const PartSpec& spec, const stats::Interval& value) {
  const auto text = value_text(spec, value.estimate);
  if (value.low == value.high) return text;
  if (!value.is_bounded() && !(spec.relation == Relation::crossover)) return text + " [no interval]";
  const auto bound = [&](double end, const char* unbounded) {
    return std::isfinite(end) && end > 0 ? value_text(spec, end) : std::string(unbounded);
  };
  return fmt::format("{} [{}, {}]", text, bound(value.low, "below the shortest N"),
                     bound(value.high, "above the longest N"));
}

std::string size_word(Magnitude magnitude) {
  switch (magnitude) {
    case Magnitude::agrees:
      return "agrees";
    case Magnitude::smaller:
      return "here smaller";
    case Magnitude::larger:
      return "here larger";
    case Magnitude::mixed:
      return "here both smaller and larger";
    case Magnitude::none:
      break;
  }
  return {};
}

/// "published 5.7x: here larger; from its means 5.71x: here larger; as published".
std::string remark(const ClaimPart& part) {
  std::vector<std::string> words;
  const auto add = [&](const std::string& what, const std::string& value, Magnitude magnitude) {
    const auto size = size_word(magnitude);
    words.push_back(fmt::format("{} {}{}{}", what, value, size.empty() ? "" : ": ", size));
  };
  const auto& spec = part.spec;
  if (const auto printed = printed_text(spec); !printed.empty()) add("published", printed, part.magnitude);
  if (spec.from_means)
    add(words.empty() ? "published means" : "its means", value_text(spec, *spec.from_means),
        part.magnitude_from_means);
  if (!spec.shown_only) {
    if (part.direction == Direction::holds) words.emplace_back("as published");
    if (part.direction == Direction::reversed) words.emplace_back("the opposite of what was published");
    if (part.direction == Direction::unresolved)
      words.push_back(part.reason.empty() ? "not resolved" : "not resolved: " + part.reason);
    if (part.direction == Direction::not_tested) words.push_back("not tested: " + part.reason);
  }
  return words.empty() ? "" : fmt::format(" ({})", fmt::join(words, "; "));
}

std::string value_at(const ClaimPart& part) {
  return fmt::format("{} at N = {}{}", with_interval(part.spec, *part.value), part.spec.seqlen, remark(part));
}

using Parts = std::vector<const ClaimPart*>;

std::string ratio_sentence(const Parts& parts) {
  std::vector<std::string> values;
  for (const auto* part : parts) values.push_back(value_at(*part));
  const auto& first = *parts[0];
  const bool speed = first.spec.measure == Measure::speed;
  return fmt::format("{} {} {} of {}: {}.", first.kernel,
                     speed ? "runs at this multiple of" : "takes this multiple of",
                     speed ? "the speed" : "the time", first.against, listed(values));
}

std::string trend_sentence(const ClaimPart& part) {
  return fmt::format("With each doubling of N from {} to {}, the {} of {} to {} changes by the factor {}{}.",
                     part.spec.seqlens.front(), part.spec.seqlens.back(),
                     measure_text(part.spec) == ""         ? ""
                     : part.spec.measure == Measure::speed ? "speed ratio"
                                                           : "time ratio",
                     part.kernel, part.against, with_interval(part.spec, *part.value), remark(part));
}

std::string crossover_sentence(const ClaimPart& part) {
  if (part.value) {
    std::vector<std::string> others;
    for (std::size_t i = 1; i < part.crossover.estimates.size(); ++i)
      others.push_back(value_text(part.spec, part.crossover.estimates[i]));
    const auto again = others.empty() ? "" : fmt::format(", and again at {}", listed(others));
    return fmt::format("{} and {} are equally fast at N = {}{}{}.", part.kernel, part.against,
                       with_interval(part.spec, *part.value), again, remark(part));
  }
  return fmt::format(
      "{} has the {} mean speed of the two at every length of {}, {} being the other, so there is no "
      "crossover{}.",
      part.kernel, part.never_slower ? "higher" : "lower", seqlens_text(part.spec.seqlens), part.against,
      remark(part));
}

std::string step_sentence(const ClaimPart& part) {
  const auto& spec = part.spec;
  const auto of = [](const std::vector<std::int64_t>& seqlens) {
    return fmt::format("from N = {} to {}", seqlens[0], seqlens[1]);
  };
  const auto other = spec.against.empty() ? of(spec.against_seqlens) : "for " + part.against;
  return fmt::format("The time of {} grows by {} {}, against {} {}{}.", part.kernel,
                     with_interval(spec, *part.value), of(spec.seqlens), with_interval(spec, *part.other),
                     other, remark(part));
}

std::string slope_sentence(const ClaimPart& part) {
  const auto& spec = part.spec;
  const auto other = spec.bound ? fmt::format("{} is the bound", value_text(spec, *spec.bound))
                                : fmt::format("{} for {}", with_interval(spec, *part.other), part.against);
  return fmt::format("Over {} the time of {} grows as N to the power {}; {}{}.", seqlens_text(spec.seqlens),
                     part.kernel, with_interval(spec, *part.value), other, remark(part));
}

std::string cv_sentence(const Parts& parts) {
  std::vector<std::string> values;
  for (const auto* part : parts) values.push_back(value_at(*part));
  return fmt::format(
      "Between processes the time of {} has a coefficient of variation of {}; the bound is {}.",
      parts[0]->kernel, listed(values), value_text(parts[0]->spec, *parts[0]->spec.bound));
}

std::string memory_sentence(const ClaimPart& part) {
  return fmt::format("{} needs {} less memory for the KV cache than {}{}.", part.kernel,
                     with_interval(part.spec, *part.value), part.against, remark(part));
}

std::string best_sentence(const ClaimPart& part) {
  std::vector<std::string> lengths;
  for (const auto& best : part.best)
    lengths.push_back(fmt::format("{} at N = {}", listed(best.kernels, "or"), best.seqlen));
  const auto published = part.spec.kernel.empty() ? "" : fmt::format(" {} was published.", part.kernel);
  return fmt::format("The fastest: {}{}.{}", fmt::join(lengths, "; "), remark(part), published);
}

/// One sentence for parts that differ in N alone.
std::string describe(const Parts& parts) {
  const auto& first = *parts[0];
  const auto each = [&](std::string (*text)(const ClaimPart&)) {
    std::vector<std::string> all;
    for (const auto* part : parts) all.push_back(text(*part));
    return fmt::format("{}", fmt::join(all, " "));
  };
  switch (first.spec.relation) {
    case Relation::ratio:
    case Relation::equivalence:
      return ratio_sentence(parts);
    case Relation::trend:
      return each(trend_sentence);
    case Relation::crossover:
      return each(crossover_sentence);
    case Relation::step:
      return each(step_sentence);
    case Relation::slope:
      return each(slope_sentence);
    case Relation::cv_bound:
      return cv_sentence(parts);
    case Relation::memory:
      return each(memory_sentence);
    case Relation::best_set:
      break;
  }
  return each(best_sentence);
}

/// Many comparisons of one relation: how many are resolved how, and the extremes.
std::string summed_up(const Parts& parts) {
  const auto count = [&](Direction direction) {
    return std::count_if(parts.begin(), parts.end(),
                         [&](const auto* part) { return part->direction == direction; });
  };
  const auto by_value = [](const auto* a, const auto* b) { return a->value->estimate < b->value->estimate; };
  const auto [least, most] = std::minmax_element(parts.begin(), parts.end(), by_value);
  const auto at = [](const ClaimPart& part) {
    const auto against = part.against.empty() ? "" : " against " + part.against;
    return fmt::format("{} ({}{} at N = {})", with_interval(part.spec, *part.value), part.kernel, against,
                       part.spec.seqlen);
  };
  std::string counts =
      fmt::format("{} as published, {} the opposite, {} not resolved", count(Direction::holds),
                  count(Direction::reversed), count(Direction::unresolved));
  if (count(Direction::not_tested) == static_cast<std::ptrdiff_t>(parts.size()))
    counts = "none tested: " + parts[0]->reason;
  return fmt::format("Of {} comparisons ({}) {}; values from {} to {}.", parts.size(),
                     measure_text(parts[0]->spec), counts, at(**least), at(**most));
}

std::string lead(const ClaimAnswer& answer) {
  const auto with = answer.form == Form::best ? "With the fastest kernel of each mechanism"
                                              : "With kernels that compute as the published ones do";
  std::string verdict;
  switch (answer.direction) {
    case Direction::holds:
      verdict = "the finding holds";
      break;
    case Direction::reversed:
      verdict = "the finding is reversed in at least one part";
      break;
    case Direction::unresolved:
      verdict = "the finding is neither confirmed nor reversed";
      break;
    case Direction::not_tested:
      verdict = "the finding was not tested";
      break;
  }
  return fmt::format("{} ({}), {}.", with, answer.heading, verdict);
}

/// What the published kernels and the fastest ones say together.
std::string conclusion(Direction published, Direction best) {
  const auto resolved = [](Direction d) { return d == Direction::holds || d == Direction::reversed; };
  if (!resolved(published) || !resolved(best)) return {};
  if (published == best)
    return published == Direction::holds ? "So it holds of the mechanisms, not only of the published kernels."
                                         : "So it is reversed for the mechanisms too.";
  return published == Direction::holds
             ? "So the finding is about the published kernels, not about the mechanisms."
             : "So it fails with the published kernels alone: of the mechanisms' fastest kernels it holds.";
}

bool has_data(const ClaimPart& part) {
  return part.value || part.never_slower || part.never_faster || !part.best.empty();
}

std::string untested(const ClaimAnswer& answer) {
  std::vector<std::string> reasons;
  for (const auto& part : answer.parts) {
    if (!has_data(part) && std::find(reasons.begin(), reasons.end(), part.reason) == reasons.end())
      reasons.push_back(part.reason);
  }
  return reasons.empty() ? "" : fmt::format(" Not tested: {}.", fmt::join(reasons, "; "));
}

}  // namespace

std::string sentence(const ClaimAnswer& answer, const ClaimAnswer* of_published) {
  std::string text = lead(answer);
  std::vector<Parts> groups;  // of a relation with many parts all, else those that differ in N alone
  for (const auto& part : answer.parts) {
    if (!has_data(part)) continue;
    const auto of_relation = std::count_if(answer.parts.begin(), answer.parts.end(), [&](const auto& other) {
      return other.spec.relation == part.spec.relation && has_data(other);
    });
    const bool many = static_cast<std::size_t>(of_relation) >= kManyParts;
    const auto group = std::find_if(groups.begin(), groups.end(), [&](const auto& parts) {
      const auto& first = *parts[0];
      if (first.spec.relation != part.spec.relation) return false;
      return many || (first.kernel == part.kernel && first.against == part.against &&
                      first.spec.measure == part.spec.measure);
    });
    if (group == groups.end())
      groups.push_back({&part});
    else
      group->push_back(&part);
  }
  for (const auto& parts : groups)
    text += " " + (parts.size() >= kManyParts ? summed_up(parts) : describe(parts));
  text += untested(answer);
  if (of_published != nullptr) {
    const auto end = conclusion(of_published->direction, answer.direction);
    if (!end.empty()) text += " " + end;
  }
  return text;
}

}  // namespace attnbench
