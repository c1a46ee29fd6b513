#include "stats/verdicts.h"

#include <algorithm>

#include "stats/equivalence.h"
#include "stats/holm.h"
#include "stats/modes.h"

namespace attnbench::stats {
namespace {

/// Adjusted for the family, and for there being two kinds of tests in it.
std::vector<double> adjust(std::span<const double> p_values) {
  auto adjusted = holm(p_values);
  if (p_values.size() > 1) {
    for (double& p : adjusted) p = std::min(1.0, 2 * p);
  }
  return adjusted;
}

Verdict verdict(const Judgement& judgement, std::size_t processes) {
  if (processes < kFewestProcesses) return Verdict::kUnresolved;
  if (judgement.equivalence_p_adjusted <= kFamilyError) return Verdict::kEquivalent;
  if (judgement.difference_p_adjusted > kFamilyError) return Verdict::kUnresolved;
  return judgement.ratio.estimate > 1 ? Verdict::kFaster : Verdict::kSlower;
}

}  // namespace

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kEquivalent:
      return "EQUIVALENT";
    case Verdict::kFaster:
      return "FASTER";
    case Verdict::kSlower:
      return "SLOWER";
    case Verdict::kUnresolved:
      break;
  }
  return "UNRESOLVED";
}

LogRatio paired_log_ratio(std::span<const double> process_log_ratios) {
  LogRatio result{estimate(sample_mean(process_log_ratios)), process_log_ratios.size()};
  if (has_modes(process_log_ratios)) result.with_modes = interval_with_modes(process_log_ratios);
  return result;
}

std::vector<Judgement> judge_family(std::span<const std::vector<double>> process_log_ratios,
                                    std::optional<double> margin_ratio) {
  std::vector<LogRatio> log_ratios;
  for (const auto& logs : process_log_ratios) log_ratios.push_back(paired_log_ratio(logs));
  return judge_log_ratios(log_ratios, margin_ratio);
}

std::vector<Judgement> judge_log_ratios(std::span<const LogRatio> log_ratios,
                                        std::optional<double> margin_ratio) {
  std::vector<Judgement> judgements;
  std::vector<double> difference;
  std::vector<double> equivalence;
  for (const auto& [log_ratio, processes, with_modes] : log_ratios) {
    Judgement judgement;
    judgement.ratio = exponential(with_modes.value_or(log_ratio.interval()));
    judgement.modes = with_modes.has_value();
    judgement.difference_p = log_ratio.two_sided_p();
    judgement.margin_ratio = margin_ratio.value_or(equivalence_margin(processes));
    judgement.equivalence_p = equivalence_p(log_ratio, judgement.margin_ratio);
    const bool enough = processes >= kFewestProcesses;
    const bool excludes_1 = !with_modes || with_modes->low > 0 || with_modes->high < 0;
    difference.push_back(enough && excludes_1 ? judgement.difference_p : 1);
    equivalence.push_back(enough && !with_modes ? judgement.equivalence_p : 1);
    judgements.push_back(judgement);
  }
  const auto difference_adjusted = adjust(difference);
  const auto equivalence_adjusted = adjust(equivalence);
  for (std::size_t i = 0; i < judgements.size(); ++i) {
    judgements[i].difference_p_adjusted = difference_adjusted[i];
    judgements[i].equivalence_p_adjusted = equivalence_adjusted[i];
    judgements[i].verdict = verdict(judgements[i], log_ratios[i].processes);
  }
  return judgements;
}

}  // namespace attnbench::stats
