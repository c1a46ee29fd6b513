#pragma once

#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "stats/contrast.h"
#include "stats/intervals.h"

namespace attnbench::stats {

enum class Verdict { kEquivalent, kFaster, kSlower, kUnresolved };
/// "EQUIVALENT", "FASTER", "SLOWER", "UNRESOLVED".
std::string_view to_string(Verdict verdict);

/// Errors of a family, of all kinds together.
constexpr double kFamilyError = 0.05;
/// With fewer processes a comparison is UNRESOLVED whatever it shows: the number of the published design,
/// from which on tests/simulation checks the errors.
constexpr int kFewestProcesses = 5;

/// A kernel against the baseline, with all that led to the verdict.
struct Judgement {
  Verdict verdict = Verdict::kUnresolved;
  Interval ratio;                    ///< time of the baseline / time of the kernel; 95 %, unadjusted
  bool modes = false;                ///< of processes with modes (modes.h): `ratio` is wide, never EQUIVALENT
  double difference_p = 1;           ///< two-sided, of log-ratio = 0; unadjusted
  double margin_ratio = 1;           ///< of EQUIVALENT: equivalence_margin (equivalence.h) of the processes
  double equivalence_p = 1;          ///< of two one-sided tests within margin_ratio; unadjusted
  double difference_p_adjusted = 1;  ///< at most kFamilyError: different
  double equivalence_p_adjusted = 1;  ///< at most kFamilyError: equivalent
};

/// Verdicts of one family, in the order given; each element holds one comparison's paired log-ratio of each
/// process. EQUIVALENT if two one-sided tests say so, else FASTER or SLOWER if a t test does, else
/// UNRESOLVED.
///
/// The chance of one or more false verdicts in the family is at most 5 %, all kinds together. Each kind of
/// test is adjusted by Holm's procedure (holm.h), at half of that: at the full level a family with some
/// kernels on the edge of equivalence and others without any difference would have two chances of 5 %. In a
/// family of one comparison the two null hypotheses exclude each other, so nothing is halved (Goeman, Solari
/// and Stijnen 2010, "Three-Sided Hypothesis Testing", section 2).
///
/// Where the processes of a comparison have modes (modes.h), a mean within the margin says nothing of a
/// process: it is never EQUIVALENT, and FASTER or SLOWER only if interval_with_modes excludes a ratio of 1.
///
/// A comparison of too few processes stays in the family, so that leaving it out cannot help the others.
/// Throws InputError for a comparison without processes, or a value not finite. `margin_ratio`: of
/// EQUIVALENT, where the plan brings its own.
std::vector<Judgement> judge_family(std::span<const std::vector<double>> process_log_ratios,
                                    std::optional<double> margin_ratio = std::nullopt);

/// A log-ratio known otherwise than from paired processes, as between two separately measured stores.
struct LogRatio {
  Estimate estimate;
  std::size_t processes = 0;             ///< behind it; of two samples, those of the smaller
  std::optional<Interval> with_modes{};  ///< of processes with modes: interval_with_modes
};
/// Of paired processes, asked for modes. Throws InputError for no processes, or a value not finite.
LogRatio paired_log_ratio(std::span<const double> process_log_ratios);

/// The same verdicts, of such log-ratios. `margin_ratio`: of EQUIVALENT, where a question brings its own.
std::vector<Judgement> judge_log_ratios(std::span<const LogRatio> log_ratios,
                                        std::optional<double> margin_ratio = std::nullopt);

}  // namespace attnbench::stats
