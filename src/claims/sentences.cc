#include "claims/sentences.h"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "claims/part_text.h"

namespace attnbench {
namespace {

/// "At N = 1024 the speed of A relative to B is"
std::string ratio_words(const ClaimPart& part) {
  const auto& spec = part.spec;
  const auto at = spec.seqlen > 0
                      ? fmt::format("At N = {}", spec.seqlen)
                      : fmt::format("In the geometric mean over N = {}", fmt::join(spec.seqlens, ", "));
  return fmt::format("{} the {} of {} relative to {} is", at,
                     spec.measure == Measure::speed ? "speed" : "time", part.kernel, part.against);
}

/// What the value is the value of.
std::string subject(const ClaimPart& part) {
  const auto& spec = part.spec;
  const auto over = [](const std::vector<std::int64_t>& seqlens) {
    return fmt::format("from {} to {}", seqlens.front(), seqlens.back());
  };
  switch (spec.relation) {
    case Relation::ratio:
    case Relation::range:
      return ratio_words(part);
    case Relation::equivalence:
      return "The largest difference of two times is";
    case Relation::trend:
      return fmt::format("Each doubling of N {} multiplies the {} of {} relative to {} by",
                         over(spec.seqlens), spec.measure == Measure::speed ? "speed" : "time", part.kernel,
                         part.against);
    case Relation::crossover:
      if (!part.value)
        return fmt::format("{} beside {} over N, {}:", part.kernel, part.against, over(spec.seqlens));
      return fmt::format("{} and {} are equally fast at N =", part.kernel, part.against);
    case Relation::step:
      return fmt::format("From N = {} to {} the time of {} grows by a factor of", spec.seqlens[0],
                         spec.seqlens[1], part.kernel);
    case Relation::slope:
      return fmt::format("Over N, {}, the time of {} grows with an exponent of", over(spec.seqlens),
                         part.kernel);
    case Relation::cv_bound:
      return "The largest CV between processes is";
    case Relation::memory:
      return fmt::format("The KV cache of {} is smaller than that of {} by", part.kernel, part.against);
    case Relation::best_set:
      break;
  }
  return "The fastest may be";
}

/// Of a best_set that is reversed: who beats whom.
std::string winner_words(const ClaimPart& part) {
  const auto& spec = part.spec;
  if (spec.kernel.empty())
    return fmt::format(" {} is faster than all others at N = {}.", part.winner,
                       fmt::join(spec.seqlens, ", "));
  return fmt::format(" {} is faster than {} at N = {}.", part.winner, part.kernel, spec.seqlen);
}

/// One comparison in a sentence; nothing without data.
std::string told(const ClaimPart& part, bool with_outcome) {
  if (part.spec.relation == Relation::best_set && part.direction == Direction::reversed)
    return winner_words(part);
  const auto measured = measured_text(part);
  if (measured.empty()) return {};
  const auto published = published_text(part.spec);
  auto text = fmt::format(" {} {}", subject(part), measured);
  if (!published.empty()) text += "; published: " + published;
  if (with_outcome) text += fmt::format(" ({})", outcome_text(part));
  return text + '.';
}

/// Each reason once.
std::string reasons(const ClaimAnswer& answer) {
  std::vector<std::string> list;
  for (const auto& part : answer.parts) {
    if (!part.reason.empty() && std::find(list.begin(), list.end(), part.reason) == list.end())
      list.push_back(part.reason);
  }
  return list.empty() ? "" : fmt::format(": {}", fmt::join(list, "; "));
}

/// "Kernels as published (layer f32): HOLDS; size: LARGER."
std::string lead(const ClaimAnswer& answer) {
  const auto* with = answer.form == Form::best ? "Fastest kernels" : "Kernels as published";
  return fmt::format("{} ({}): {}{}.", with, answer.heading, verdict_text(answer), reasons(answer));
}

/// What the published kernels and the fastest ones say together.
std::string conclusion(Direction published, Direction best) {
  if (published == Direction::holds && best == Direction::holds)
    return " It holds of the mechanisms, not only of the published kernels.";
  if (published == Direction::holds && best == Direction::reversed)
    return " The finding is about the published kernels, not about the mechanisms.";
  if (published == Direction::reversed && best == Direction::reversed)
    return " It is reversed for the mechanisms too.";
  if (published == Direction::reversed && best == Direction::holds)
    return " It fails with the published kernels alone; of the fastest kernels it holds.";
  return {};
}

bool same_kernels(const ClaimAnswer& a, const ClaimAnswer& b) {
  return std::equal(a.parts.begin(), a.parts.end(), b.parts.begin(), b.parts.end(),
                    [](const auto& x, const auto& y) {
                      return x.kernel == y.kernel && x.against == y.against && x.spec.among.empty();
                    });
}

}  // namespace

std::string sentence(const ClaimAnswer& answer, const ClaimAnswer* of_published) {
  if (answer.parts.empty()) return "Not tested: the run has no cells that the finding is about.";
  auto text = lead(answer);
  const bool tested = answer.direction != Direction::not_tested;
  if (of_published != nullptr && tested && same_kernels(answer, *of_published))
    return text + " These are the same kernels; the tests allow for their having been chosen.";
  if (!answer.stand_ins.empty())
    text += fmt::format(" By products in f32: {}.", fmt::join(answer.stand_ins, ", "));
  for (const auto& part : answer.parts) text += told(part, tested && answer.parts.size() > 1);
  if (const auto details = details_text(answer); !details.empty())
    text += fmt::format(" Details: {}.", details);
  if (of_published != nullptr) text += conclusion(of_published->direction, answer.direction);
  return text;
}

}  // namespace attnbench
