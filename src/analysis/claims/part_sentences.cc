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

/// Of a ratio below 1 the larger effect is the smaller number.
bool is_told_as_effect(Relation relation) {
  return relation == Relation::ratio || relation == Relation::equivalence || relation == Relation::trend ||
         relation == Relation::step;
}

/// "a smaller effect than the published 5.7x".
std::string against_published(Relation relation, Magnitude magnitude, const std::string& published) {
  const auto other = [&](const char* size) {
    return is_told_as_effect(relation) ? fmt::format("a {} effect than the {}", size, published)
                                       : fmt::format("{} than the {}", size, published);
  };
  switch (magnitude) {
    case Magnitude::agrees:
      return "agrees with the " + published;
    case Magnitude::smaller:
      return other("smaller");
    case Magnitude::larger:
      return other("larger");
    case Magnitude::mixed:
      return other("smaller and a larger");
    case Magnitude::none:
      break;
  }
  return published;
}

bool rounds_to(double value, double printed) {
  const auto digits = fmt::format("{:g}", printed);
  const auto point = digits.find('.');
  const auto decimals = point == std::string::npos ? 0 : static_cast<int>(digits.size() - point - 1);
  return std::abs(value - printed) <= 0.5000001 * std::pow(10, -decimals);
}

/// Whether the value from means is the printed one, but for rounding: then it is not told again.
bool says_the_same(double from_means, const PublishedValue& printed) {
  return (printed.low <= from_means && from_means <= printed.high) || rounds_to(from_means, printed.low) ||
         rounds_to(from_means, printed.high);
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
  return part.reason.empty() ? "" : "not tested: " + part.reason;
}

/// " (confirmed; a smaller effect than the published 5.7x, 5.80x by its means)".
std::string remark(const ClaimPart& part) {
  const auto& spec = part.spec;
  std::vector<std::string> words;
  if (!spec.shown_only) words.push_back(direction_words(part));
  auto printed = printed_text(spec);
  const bool has_means = spec.from_means && !(spec.printed && says_the_same(*spec.from_means, *spec.printed));
  const auto means = has_means ? value_text(spec, *spec.from_means) : "";
  const bool in_one = !printed.empty() && has_means && part.magnitude == part.magnitude_from_means;
  if (in_one) printed += fmt::format(", {} by its means", means);
  if (!printed.empty())
    words.push_back(against_published(spec.relation, part.magnitude, "published " + printed));
  if (has_means && !in_one)
    words.push_back(against_published(spec.relation, part.magnitude_from_means, "published means' " + means));
  std::erase(words, "");
  return words.empty() ? "" : fmt::format(" ({})", fmt::join(words, "; "));
}

/// One sentence a part; `text` says the first in full, `again` the others of the same kernels.
std::string one_each(const Parts& parts, std::string (*text)(const ClaimPart&, bool is_first)) {
  std::vector<std::string> all;
  for (const auto* part : parts) all.push_back(text(*part, part == parts[0]));
  return fmt::format("{}", fmt::join(all, " "));
}

const char* quantity(const PartSpec& spec) { return spec.measure == Measure::speed ? "speed" : "time"; }

/// "At N = 128 the speed of A relative to B is 1.45x [1.40, 1.50] (confirmed). At N = 256 it is .."
std::string ratio_sentence(const ClaimPart& part, bool is_first) {
  const auto& spec = part.spec;
  const auto value = with_interval(spec, *part.value);
  if (!is_first) return fmt::format("At N = {} it is {}{}.", spec.seqlen, value, remark(part));
  return fmt::format("At N = {} the {} of {} relative to {} is {}{}.", spec.seqlen, quantity(spec),
                     part.kernel, part.against, value, remark(part));
}

std::string trend_sentence(const ClaimPart& part) {
  const auto& spec = part.spec;
  return fmt::format(
      "Each doubling of N from {} to {} changes the {} of {} relative to {} by a factor of {}{}.",
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

std::string cv_sentence(const ClaimPart& part, bool is_first) {
  const auto& spec = part.spec;
  const auto value = with_interval(spec, *part.value);
  if (!is_first) return fmt::format("At N = {} it is {}{}.", spec.seqlen, value, remark(part));
  return fmt::format("At N = {} the CV of {} between processes is {}; the bound is {}{}.", spec.seqlen,
                     part.kernel, value, value_text(spec, *spec.bound), remark(part));
}

std::string memory_sentence(const ClaimPart& part) {
  return fmt::format("The KV cache of {} is {} smaller than that of {}{}.", part.kernel,
                     with_interval(part.spec, *part.value), part.against, remark(part));
}

/// "a or b"; of many the first few and how many more.
std::string tied_text(const std::vector<std::string>& kernels) {
  constexpr std::size_t kShown = 3;
  if (kernels.size() <= kShown + 1) return listed(kernels, "or");
  const std::vector<std::string> first(kernels.begin(), kernels.begin() + kShown);
  return fmt::format("{} or one of {} more", fmt::join(first, ", "), kernels.size() - kShown);
}

/// "At N = 128 the fastest is a or b. At N = 256 it is c. Published at N = 128: b (reversed; among these)." A
/// part that is about all N lists the fastest of each, and the others need not.
std::string best_sentences(const Parts& parts) {
  std::vector<std::string> sentences;
  const auto add_fastest = [&](const ClaimPart& part) {
    for (const auto& best : part.best)
      sentences.push_back(fmt::format("At N = {} {} is {}.", best.seqlen,
                                      sentences.empty() ? "the fastest" : "it", tied_text(best.kernels)));
  };
  const auto whole =
      std::find_if(parts.begin(), parts.end(), [](const auto* part) { return part->spec.kernel.empty(); });
  if (whole != parts.end()) {
    add_fastest(**whole);
    sentences.push_back(
        fmt::format("The finding is that none is the fastest at every N{}.", remark(**whole)));
  } else {
    for (const auto* part : parts) add_fastest(*part);
  }
  for (const auto* part : parts) {
    if (part->spec.kernel.empty()) continue;
    const auto& kernels = part->best[0].kernels;
    const bool among = std::find(kernels.begin(), kernels.end(), part->kernel) != kernels.end();
    const auto direction = part->spec.shown_only ? "" : direction_words(*part);
    sentences.push_back(fmt::format("Published at N = {}: {} ({}{}{}among these).", part->spec.seqlen,
                                    part->kernel, direction, direction.empty() ? "" : "; ",
                                    among ? "" : "not "));
  }
  return fmt::format("{}", fmt::join(sentences, " "));
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
      return one_each(parts, ratio_sentence);
    case Relation::trend:
      return each(trend_sentence);
    case Relation::crossover:
      return each(crossover_sentence);
    case Relation::step:
      return each(step_sentence);
    case Relation::slope:
      return each(slope_sentence);
    case Relation::cv_bound:
      return one_each(parts, cv_sentence);
    case Relation::memory:
      return each(memory_sentence);
    case Relation::best_set:
      break;
  }
  return best_sentences(parts);
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
  const auto untested = count(Direction::not_tested);
  const auto reason = parts[0]->reason.empty() ? "" : fmt::format(" ({})", parts[0]->reason);
  const auto counts = untested == 0 ? fmt::format("{} are confirmed, {} reversed and {} not resolved",
                                                  count(Direction::holds), count(Direction::reversed),
                                                  count(Direction::unresolved))
                      : untested == std::ssize(parts) ? fmt::format("none is tested{}", reason)
                                                      : fmt::format("{} are not tested{}", untested, reason);
  return fmt::format("Of {} comparisons ({}) {}. The smallest value is {}. The largest is {}.", parts.size(),
                     measure_text(parts[0]->spec), counts, at(**least), at(**most));
}

}  // namespace attnbench
