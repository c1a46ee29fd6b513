#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "analysis/analysis.h"

namespace attnbench {

/// What is set against what.
enum class ComparisonBasis {
  kPaired,    ///< two builds measured together: medians over shared blocks, by process
  kRelative,  ///< two sessions: ratios to the baseline
  kAbsolute,  ///< two sessions on one machine: times
};

enum class ComparisonOutcome {
  kPassed,      ///< shown not to be slower by more than the threshold
  kRegression,  ///< SLOWER, and shown to be so by more than the threshold
  kLost,        ///< has times in the old one; in the new one it is gone, unsupported, wrong or failed
  kUndecided,   ///< neither is shown
  kReference,   ///< the baseline, whose ratio to itself cannot change
  kUnranked,    ///< less exact or of another function in both: nothing is asked of its time
};
/// "passed", "regression", "lost", "not decided", "baseline", "not ranked".
std::string_view to_string(ComparisonOutcome outcome);

/// One kernel in one cell, in an old and a new measurement. Ratios are old time / new time: above 1 the new
/// one is faster.
struct ComparedKernel {
  std::string cell_id, heading;
  std::string kernel_id;  ///< empty: the row is of the whole cell
  std::int64_t seqlen = 0;
  bool is_baseline = false;
  bool confirmed = true;  ///< in both its engine told what ran, or the store holds nothing of it
  ComparisonOutcome outcome = ComparisonOutcome::kUndecided;
  std::string reason;              ///< of lost, undecided and unranked rows, in words
  std::size_t processes = 0;       ///< behind the ratio; of two sessions, those of the smaller
  std::size_t cell_processes = 0;  ///< that the cell has: more than `processes` where some lack the kernel
  /// Geometric means over processes of each one's median. Paired: over the processes and blocks that both
  /// have, so that their quotient is the ratio.
  std::optional<stats::Interval> old_seconds, new_seconds;
  /// Ratios to the baseline; relative comparisons alone.
  std::optional<stats::Interval> old_to_baseline, new_to_baseline;
  std::optional<stats::Interval> times;  ///< old_seconds / new_seconds
  /// What is judged: `times`, or new_to_baseline / old_to_baseline. Absent for the baseline in the latter.
  std::optional<stats::Interval> ratio;
  /// With 95 % confidence new time / old time is at most this (one-sided); infinite where nothing is known.
  std::optional<double> slower_limit;
  std::optional<stats::Judgement> judgement;  ///< absent where verdicts are withheld
  /// One-sided, of not being slower by more than the threshold: Holm over all rows. Absent like `judgement`.
  std::optional<double> beyond_p_adjusted;
};

struct Comparison {
  ComparisonBasis basis = ComparisonBasis::kRelative;
  std::string old_build, new_build, old_machine, new_machine;
  double threshold = 0;
  std::vector<std::string> warnings;
  std::vector<ComparedKernel> rows;  ///< of what the old one has; their verdicts are one family

  int count(ComparisonOutcome outcome) const;
  int undecided_cells() const;  ///< of count(kUndecided) those rows that are of a whole cell
  /// kRegression where a kernel regressed or is lost, whatever else is undecided: more processes may decide
  /// the rest and take nothing back. Else kPassed if at least one row passed and none is undecided.
  ComparisonOutcome outcome() const;
};

/// The two builds of a run that was measured with another build beside it, told by RunRecord::plan["pair"].
/// Throws InputError naming `file` where the runs are not such a pair.
struct BuildPair {
  const RunAnalysis* before = nullptr;
  const RunAnalysis* after = nullptr;
};
BuildPair find_pair(const Analysis& analysis, const std::string& file);

/// Process p of the one against process p of the other, which ran at the same time: of the blocks that both
/// have the quotient of the two medians.
Comparison compare_paired(const RunAnalysis& before, const RunAnalysis& after, double threshold);
/// Two measurements that have nothing in common in time. Throws InputError for published means, and for
/// kAbsolute on different machines.
Comparison compare_sessions(const RunAnalysis& before, const RunAnalysis& after, ComparisonBasis basis,
                            double threshold);

nlohmann::json to_json(const Comparison& comparison);

}  // namespace attnbench
