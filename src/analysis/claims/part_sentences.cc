#include "analysis/claims/part_sentences.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "analysis/claims/sentences.h"

namespace attnbench {
namespace {

using Parts = std::vector<const ClaimPart*>;

/// "1.45x [1.40, 1.50]"; an end of a crossover's range that was not reached is left open in words.
std::string with_interval(const PartSpec& spec, const stats::Interval& value) {
  const auto text = value_text(spec, value.estimate);
  if (value.low == value.high) return text;
  const auto bound = [&](double end) {
    const auto number = value_text(spec, end);
    return number.substr(0, number.find_first_of("x "));
  };
  if (spec.relation == Relation::crossover) {
    if (value.low > 0 && !std::isfinite(value.high))
      return fmt::format("{} [at least {}]", text, bound(value.low));
    if (value.low <= 0 && std::isfinite(value.high))
      return fmt::format("{} [at most {}]", text, bound(value.high));
    if (value.low <= 0) return text + " [no interval]";
  }
  if (!value.is_bounded()) return text + " [no interval]";
  return fmt::format("{} [{}, {}]", text, bound(value.low), bound(value.high));
}

std::string size_words(Magnitude magnitude) {
  switch (magnitude) {
    case Magnitude::agrees:
      return ", which agrees";
    case Magnitude::smaller:
      return ", here smaller";
    case Magnitude::larger:
      return ", here larger";
    case Magnitude::mixed:
      return ", here both smaller and larger";
    case Magnitude::none:
      break;
  }
  return {};
}

std::string direction_words(const ClaimPart& part) {
  switch (part.direction) {
    case Direction::holds:
      return "confirmed";
    case Direction::reversed:
      return "reversed";
    case Direction::unresolved:
      return part.reason.empty() ? "not resolved" : "not resolved: " + part.reason;
    case Direction::not_tested:
      break;
  }
  return "not tested: " + part.reason;
}

/// " (confirmed; published 5.7x, here smaller; its means give 5.80x, here smaller)".
std::string remark(const ClaimPart& part) {
  const auto& spec = part.spec;
  std::vector<std::string> words;
  if (!spec.shown_only) words.push_back(direction_words(part));
  const auto printed = printed_text(spec);
  if (!printed.empty()) words.push_back(fmt::format("published {}{}", printed, size_words(part.magnitude)));
  if (spec.from_means) {
    words.push_back(fmt::format("{} {}{}", printed.empty() ? "the published means give" : "its means give",
                                value_text(spec, *spec.from_means), size_words(part.magnitude_from_means)));
  }
  return words.empty() ? "" : fmt::format(" ({})", fmt::join(words, "; "));
}

std::string values_of(const Parts& parts) {
  std::vector<std::string> values;
  for (const auto* part : parts) {
    values.push_back(fmt::format("{} at N = {}{}", with_interval(part->spec, *part->value), part->spec.seqlen,
                                 remark(*part)));
  }
  return listed(values);
}

const char* quantity(const PartSpec& spec) { return spec.measure == Measure::speed ? "speed" : "time"; }

std::string ratio_sentence(const Parts& parts) {
  return fmt::format("The {} of {} relative to {} is {}.", quantity(parts[0]->spec), parts[0]->kernel,
                     parts[0]->against, values_of(parts));
}

std::string trend_sentence(const ClaimPart& part) {
  const auto& spec = part.spec;
  return fmt::format(
      "With each doubling of N from {} to {} the {} of {} relative to {} changes by a factor of {}{}.",
      spec.seqlens.front(), spec.seqlens.back(), quantity(spec), part.kernel, part.against,
      with_interval(spec, *part.value), remark(part));
}

std::string crossover_sentence(const ClaimPart& part) {
  const auto& seqlens = part.spec.seqlens;
  if (!part.value) {
    return fmt::format(
        "On average {} is {} than {} at every length measured: they do not cross between N = {} and {}{}.",
        part.kernel, part.never_slower ? "faster" : "slower", part.against, seqlens.front(), seqlens.back(),
        remark(part));
  }
  std::vector<std::string> others;
  for (std::size_t i = 1; i < part.crossover.estimates.size(); ++i)
    others.push_back(value_text(part.spec, part.crossover.estimates[i]));
  const auto again = others.empty() ? "" : fmt::format(", and again at {}", listed(others));
  return fmt::format("{} and {} are equally fast at N = {}{}{}.", part.kernel, part.against,
                     with_interval(part.spec, *part.value), again, remark(part));
}

std::string step_sentence(const ClaimPart& part) {
  const auto& spec = part.spec;
  const auto of = [](const std::vector<std::int64_t>& seqlens) {
    return fmt::format("from N = {} to {}", seqlens[0], seqlens[1]);
  };
  const auto other = spec.against.empty() ? of(spec.against_seqlens) : "for " + part.against;
  return fmt::format("The time of {} grows by a factor of {} {}, against {} {}{}.", part.kernel,
                     with_interval(spec, *part.value), of(spec.seqlens), with_interval(spec, *part.other),
                     other, remark(part));
}

std::string slope_sentence(const ClaimPart& part) {
  const auto& spec = part.spec;
  const auto other = spec.bound ? fmt::format("the bound of {}", value_text(spec, *spec.bound))
                                : fmt::format("{} for {}", with_interval(spec, *part.other), part.against);
  return fmt::format("From N = {} to {} the time of {} grows with an exponent of {}, against {}{}.",
                     spec.seqlens.front(), spec.seqlens.back(), part.kernel, with_interval(spec, *part.value),
                     other, remark(part));
}

std::string cv_sentence(const Parts& parts) {
  return fmt::format(
      "The coefficient of variation of the time of {} between processes, to be below {}, is {}.",
      parts[0]->kernel, value_text(parts[0]->spec, *parts[0]->spec.bound), values_of(parts));
}

std::string memory_sentence(const ClaimPart& part) {
  return fmt::format("The KV cache of {} is {} smaller than that of {}{}.", part.kernel,
                     with_interval(part.spec, *part.value), part.against, remark(part));
}

/// Who is the fastest at which N, then who was published to be.
std::string best_sentence(const Parts& parts) {
  std::string text;
  std::vector<std::string> published;
  for (const auto* part : parts) {
    std::vector<std::string> fastest;
    for (const auto& best : part->best)
      fastest.push_back(fmt::format("at N = {} {}", best.seqlen, listed(best.kernels, "or")));
    if (part->spec.kernel.empty()) {
      text += fmt::format("{}The fastest: {}{}.", text.empty() ? "" : " ", fmt::join(fastest, "; "),
                          remark(*part));
      continue;
    }
    const auto& kernels = part->best[0].kernels;
    const bool among = std::find(kernels.begin(), kernels.end(), part->kernel) != kernels.end();
    published.push_back(fmt::format("at N = {} {} ({}{}among the fastest here)", part->spec.seqlen,
                                    part->kernel, part->spec.shown_only ? "" : direction_words(*part) + "; ",
                                    among ? "" : "not "));
  }
  if (!published.empty())
    text += fmt::format("{}Published as the fastest: {}.", text.empty() ? "" : " ", listed(published));
  return text;
}

}  // namespace

std::string listed(const std::vector<std::string>& items, const char* last) {
  std::string text;
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (i > 0) text += i + 1 == items.size() ? fmt::format(" {} ", last) : ", ";
    text += items[i];
  }
  return text;
}

std::string describe(const Parts& parts) {
  const auto each = [&](std::string (*text)(const ClaimPart&)) {
    std::vector<std::string> all;
    for (const auto* part : parts) all.push_back(text(*part));
    return fmt::format("{}", fmt::join(all, " "));
  };
  switch (parts[0]->spec.relation) {
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
  return best_sentence(parts);
}

std::string summed_up(const Parts& parts) {
  const auto count = [&](Direction direction) {
    return std::count_if(parts.begin(), parts.end(),
                         [&](const auto* part) { return part->direction == direction; });
  };
  const auto [least, most] = std::minmax_element(
      parts.begin(), parts.end(),
      [](const auto* a, const auto* b) { return a->value->estimate < b->value->estimate; });
  const auto at = [](const ClaimPart& part) {
    const auto against = part.against.empty() ? "" : " against " + part.against;
    return fmt::format("{} ({}{} at N = {})", with_interval(part.spec, *part.value), part.kernel, against,
                       part.spec.seqlen);
  };
  auto counts = fmt::format("{} are confirmed, {} reversed and {} not resolved", count(Direction::holds),
                            count(Direction::reversed), count(Direction::unresolved));
  if (const auto untested = count(Direction::not_tested); untested > 0)
    counts = fmt::format("{} are not tested ({})",
                         untested == std::ssize(parts) ? "all" : std::to_string(untested), parts[0]->reason);
  return fmt::format("Of {} comparisons ({}) {}; the values go from {} to {}.", parts.size(),
                     measure_text(parts[0]->spec), counts, at(**least), at(**most));
}

}  // namespace attnbench
