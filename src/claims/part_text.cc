#include "claims/part_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "analysis/format.h"

namespace attnbench {
namespace {

/// From here on a number says that something is broken and not how large it is.
constexpr double kBeyondSense = 1e5;

bool is_share(Relation relation) {
  return relation == Relation::cv_bound || relation == Relation::memory || relation == Relation::equivalence;
}

/// "12.5 %": three digits, of little ones two decimals.
std::string percent(double share) {
  const double value = 100 * share;
  if (std::abs(value) >= kBeyondSense) return fmt::format("{:.0e} %", value);
  return (value < 0 ? "-" : "") + three_digits(std::abs(value)) + " %";
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

/// As printed, with as many digits; empty where nothing was.
std::string printed_text(const PartSpec& spec) {
  const auto number = [&](double value) {
    if (is_share(spec.relation)) return fmt::format("{:g} %", 100 * value);
    const bool is_ratio = spec.relation != Relation::crossover && spec.relation != Relation::slope;
    return fmt::format("{:g}{}", value, is_ratio ? "x" : "");
  };
  const auto range = [&](const PublishedValue& value) {
    if (!value.is_range()) return number(value.low);
    return fmt::format("{} to {}", number(value.low), number(value.high));
  };
  if (spec.printed) return range(*spec.printed);
  if (spec.between.is_range()) return range(spec.between);
  if (spec.relation == Relation::equivalence) return spec.margin ? "below " + number(*spec.margin) : "a tie";
  if (spec.relation == Relation::cv_bound) return "below " + number(*spec.bound);
  return {};
}

/// " [1.40, 1.50]"; an end of a crossover's range that was not reached is left open in words.
std::string bounds_text(const PartSpec& spec, const stats::Interval& value) {
  if (value.low == value.high) return {};
  const auto bound = [&](double end) {
    const auto number = value_text(spec, end);
    return number.substr(0, number.find_first_of("x "));
  };
  if (spec.relation == Relation::crossover) {
    if (value.low > 0 && !std::isfinite(value.high)) return fmt::format(" [at least {}]", bound(value.low));
    if (value.low <= 0 && std::isfinite(value.high)) return fmt::format(" [at most {}]", bound(value.high));
    if (value.low <= 0) return " [no interval]";
  }
  const bool is_sane = std::abs(value.low) < kBeyondSense && std::abs(value.high) < kBeyondSense;
  if (!value.is_bounded() || !is_sane) return " [no interval]";
  return fmt::format(" [{}, {}]", bound(value.low), bound(value.high));
}

/// "a or b"; of many the first few and how many more.
std::string tied_text(const std::vector<std::string>& kernels) {
  constexpr std::size_t kShown = 3;
  if (kernels.size() <= kShown + 1) return listed(kernels, "or");
  const std::vector<std::string> first(kernels.begin(), kernels.begin() + kShown);
  return fmt::format("{} or one of {} more", fmt::join(first, ", "), kernels.size() - kShown);
}

std::string best_text(const ClaimPart& part) {
  std::vector<std::string> all;
  for (const auto& best : part.best) {
    if (best.kernels.empty()) continue;
    all.push_back(fmt::format("{} at N = {}", tied_text(best.kernels), best.seqlen));
  }
  return fmt::format("{}", fmt::join(all, "; "));
}

/// "fastest at N = 128: mha/unfused@cpu; at N = 256: 1 of 3", "fastest at all N: mha/unfused@cpu".
std::string short_best_text(const ClaimPart& part) {
  if (part.best.empty()) return {};
  std::vector<std::string> all;
  for (const auto& best : part.best) {
    if (best.kernels.empty()) continue;
    const auto who = best.kernels.size() == 1 ? best.kernels[0] : fmt::format("1 of {}", best.kernels.size());
    all.push_back(fmt::format("at N = {}: {}", best.seqlen, who));
  }
  const auto& first = part.best.front().kernels;
  const bool is_one = part.best.size() > 1 && first.size() == 1 &&
                      std::all_of(part.best.begin(), part.best.end(),
                                  [&](const auto& best) { return best.kernels == first; });
  if (is_one) return fmt::format("fastest at all N: {}", first[0]);
  return all.empty() ? "" : fmt::format("fastest {}", fmt::join(all, "; "));
}

/// Where a crossover was looked for and not found.
std::string no_crossover_text(const ClaimPart& part) {
  if (part.never_slower) return "faster at every N";
  if (part.never_faster) return "slower at every N";
  return part.direction == Direction::not_tested && !part.reason.empty() ? "" : "no crossover";
}

const char* against_words(const PartSpec& spec) {
  switch (spec.relation) {
    case Relation::cv_bound:
      return "above the bound";
    case Relation::equivalence:
      return "beyond the margin";
    case Relation::best_set:
      return spec.kernel.empty() ? "one is the fastest at every N" : "another is the fastest";
    default:
      return "opposite";
  }
}

/// "slower by more": an effect further from none than the published one.
std::string difference_words(const PartSpec& spec, bool larger) {
  switch (spec.relation) {
    case Relation::ratio:
      if (spec.expect != Expect::nothing)
        return fmt::format("{} by {}", name(spec.expect), larger ? "more" : "less");
      break;
    case Relation::crossover:
      return larger ? "at larger N" : "at smaller N";
    case Relation::slope:
      return larger ? "exponent larger" : "exponent smaller";
    default:
      break;
  }
  return larger ? "effect larger" : "effect smaller";
}

/// What the size adds to a direction; empty where nothing.
std::string size_words(const ClaimPart& part) {
  switch (part.magnitude) {
    case Magnitude::smaller:
    case Magnitude::larger:
      return difference_words(part.spec, part.magnitude == Magnitude::larger);
    case Magnitude::too_wide:
      return "size too wide to tell";
    case Magnitude::agrees:
    case Magnitude::opposite:
    case Magnitude::in_part:
    case Magnitude::none:
      break;
  }
  return {};
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

std::string value_text(const PartSpec& spec, double value) {
  if (!std::isfinite(value)) return "beyond measure";
  if (is_share(spec.relation)) return percent(value);
  const bool is_ratio = spec.relation != Relation::crossover && spec.relation != Relation::slope;
  const bool is_tiny = is_ratio && value < 1 / kBeyondSense;
  if (std::abs(value) >= kBeyondSense || is_tiny) return fmt::format("{:.0e}{}", value, is_ratio ? "x" : "");
  if (spec.relation == Relation::crossover) return fmt::format("{:.0f}", value);
  if (spec.relation == Relation::slope) return fmt::format("{:.2f}", value);
  return ratio_text(value) + "x";
}

std::string published_text(std::span<const PartSpec> specs) {
  std::vector<std::string> printed, means;
  bool contradicted = false;
  for (const auto& spec : specs) {
    const auto text = printed_text(spec);
    if (!text.empty() && std::find(printed.begin(), printed.end(), text) == printed.end())
      printed.push_back(text);
    contradicted = contradicted || contradicted_by_means(spec);
    if (spec.from_means && !(spec.printed && says_the_same(*spec.from_means, *spec.printed)) &&
        !(spec.relation == Relation::crossover && !spec.printed && !contradicted_by_means(spec)))
      means.push_back(value_text(spec, *spec.from_means));
  }
  const auto text = fmt::format("{}", fmt::join(printed, ", "));
  for (const auto& spec : specs) {
    if (const auto quotient = spec.published_quotient())
      means.push_back("quotient " + value_text(spec, *quotient));
  }
  const auto by_means = fmt::format("{}", fmt::join(means, ", "));
  if (means.empty()) return text;
  if (contradicted) return fmt::format("{}, contradicted by its means: {}", text, by_means);
  return text.empty() ? by_means + " by its means" : fmt::format("{} ({} by its means)", text, by_means);
}

std::string published_text(const PartSpec& spec) { return published_text(std::span(&spec, 1)); }

std::string measure_text(const PartSpec& spec) {
  switch (spec.relation) {
    case Relation::ratio:
    case Relation::range:
      return spec.measure == Measure::speed ? "speed ratio" : "time ratio";
    case Relation::equivalence:
      return "largest difference";
    case Relation::trend:
      return "growth per doubling";
    case Relation::crossover:
      return "crossover N";
    case Relation::step:
      return "step";
    case Relation::slope:
      return "exponent";
    case Relation::cv_bound:
      return "largest CV";
    case Relation::memory:
      return "saved share";
    case Relation::best_set:
      break;
  }
  return "fastest";
}

std::string comparison_text(const PartSpec& spec) {
  constexpr std::size_t kNamed = 4;
  std::string text = spec.kernel;
  if (spec.relation == Relation::best_set) {
    text = spec.kernel.empty() ? fmt::format("none of {} the fastest", spec.among.size())
                               : spec.kernel + " the fastest";
  } else if (!spec.among.empty()) {
    text = spec.among.size() <= kNamed ? listed(spec.among) : fmt::format("{} kernels", spec.among.size());
  }
  if (!spec.against.empty()) text += " against " + spec.against;
  if (spec.seqlen > 0) text += fmt::format(" at N = {}", spec.seqlen);
  if (!spec.seqlens.empty()) text += fmt::format(" over N = {}", fmt::join(spec.seqlens, ", "));
  if (!spec.against_seqlens.empty())
    text += fmt::format(" against N = {}", fmt::join(spec.against_seqlens, ", "));
  return text;
}

std::string estimate_text(const ClaimPart& part) {
  if (part.spec.relation == Relation::best_set) return short_best_text(part);
  if (!part.value) return part.spec.relation == Relation::crossover ? no_crossover_text(part) : "";
  const auto text = value_text(part.spec, part.value->estimate);
  if (!part.other) return text;
  const auto both = text + " vs " + value_text(part.spec, part.other->estimate);
  return part.quotient ? fmt::format("{} ({})", value_text(part.spec, part.quotient->estimate), both) : both;
}

std::string measured_text(const ClaimPart& part) {
  const auto& spec = part.spec;
  const std::string modes = part.modes ? ", modes" : "";
  if (spec.relation == Relation::best_set) return best_text(part) + modes;
  if (!part.value) return estimate_text(part) + modes;
  auto text = value_text(spec, part.value->estimate) + bounds_text(spec, *part.value);
  for (std::size_t i = 1; i < part.crossover.estimates.size(); ++i)
    text += fmt::format(", again at {}", value_text(spec, part.crossover.estimates[i]));
  if (part.other) {
    const auto other = spec.against.empty()
                           ? fmt::format("N = {} to {}", spec.against_seqlens[0], spec.against_seqlens[1])
                           : part.against;
    text += fmt::format(" against {}{} ({})", value_text(spec, part.other->estimate),
                        bounds_text(spec, *part.other), other);
    if (part.quotient)
      text += fmt::format(", quotient {}{}", value_text(spec, part.quotient->estimate),
                          bounds_text(spec, *part.quotient));
  } else if (spec.relation == Relation::slope && spec.bound) {
    text += " against " + value_text(spec, *spec.bound);
  }
  if (part.at_seqlen > 0) {
    const auto beside = part.against.empty() ? "" : " beside " + part.against;
    text += fmt::format(" ({}{} at N = {})", part.kernel, beside, part.at_seqlen);
  }
  return text + modes;
}

std::string outcome_text(const ClaimPart& part) {
  const auto size = size_words(part);
  if (part.direction == Direction::not_tested)
    return part.reason.empty() ? "not tested" : "not tested: " + part.reason;
  if (!part.spec.has_direction()) {
    if (part.magnitude == Magnitude::agrees) return "as published";
    if (part.magnitude == Magnitude::opposite) return "opposite";
    return !size.empty() ? size : part.reason.empty() ? "no interval" : "not resolved: " + part.reason;
  }
  switch (part.direction) {
    case Direction::holds:
      return size.empty() ? "as published" : "direction as published, " + size;
    case Direction::reversed:
      return against_words(part.spec);
    case Direction::outside:
      return "outside";
    default:
      break;
  }
  return part.reason.empty() ? "not resolved" : "not resolved: " + part.reason;
}

DetailCounts detail_counts(const ClaimAnswer& answer) {
  DetailCounts counts;
  for (const auto& part : answer.details) {
    ++counts.all;
    counts.not_tested += part.direction == Direction::not_tested;
    counts.as_published += part.is_as_published();
    if (part.direction == Direction::not_tested || part.is_as_published()) continue;
    const bool differs = part.magnitude == Magnitude::smaller || part.magnitude == Magnitude::larger;
    const bool opposite = part.spec.has_direction() ? part.direction == Direction::reversed
                                                    : part.magnitude == Magnitude::opposite;
    if (part.direction == Direction::holds)
      ++counts.in_direction;
    else if (opposite)
      ++counts.opposite;
    else if (part.direction == Direction::outside)
      ++counts.outside;
    else if (!part.spec.has_direction() && differs)
      ++counts.of_another_size;
    else
      ++counts.not_resolved;
  }
  return counts;
}

std::string details_text(const ClaimAnswer& answer) {
  const auto counts = detail_counts(answer);
  if (counts.all == 0) return {};
  std::vector<std::string> texts;
  for (const auto& [count, words] : {std::pair{counts.as_published, "as published"},
                                     {counts.in_direction, "in direction alone"},
                                     {counts.of_another_size, "of another size"},
                                     {counts.opposite, "opposite"},
                                     {counts.outside, "outside"},
                                     {counts.not_resolved, "not resolved"},
                                     {counts.not_tested, "not tested"}})
    if (count > 0) texts.push_back(fmt::format("{} {}", count, words));
  return fmt::format("{}", fmt::join(texts, ", "));
}

std::string verdict_text(const ClaimAnswer& answer) {
  const std::string direction(to_string(answer.direction));
  if (answer.magnitude == Magnitude::none) return direction;
  return fmt::format("{}; size: {}", direction, to_string(answer.magnitude));
}

}  // namespace attnbench
