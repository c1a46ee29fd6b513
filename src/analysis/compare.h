#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "analysis/analysis.h"

namespace attnbench {

/// One kernel in one cell, in an old and a new measurement. Ratios are time in the old / time in the new:
/// above 1 the new one is faster.
struct ComparedKernel {
  std::string cell_id, heading, kernel_id;
  std::int64_t seqlen = 0;
  bool is_baseline = false;
  stats::Interval old_seconds, new_seconds;
  /// Of the times. Paired: by process. Unpaired: Welch's interval on logarithms, in which the drift between
  /// the two sessions is not contained.
  stats::Interval times;
  /// What is judged. Paired: that of the times. Unpaired: of the ratios to the baseline, with Welch's
  /// interval; absent for the baseline, whose ratio to itself cannot change.
  std::optional<stats::Judgement> judgement;
  bool regression = false;  ///< SLOWER, by more than the threshold
};

struct Comparison {
  bool paired = false;
  std::string old_build, new_build, old_machine, new_machine;
  double threshold = 0;
  std::vector<std::string> warnings;
  std::vector<ComparedKernel> rows;  ///< one family: all verdicts together err with at most 5 %

  int regressions() const;
};

/// The two builds of a run that was measured with another build beside it, told by RunRecord::plan["pair"].
/// Throws InputError naming `file` where the runs are not such a pair.
struct BuildPair {
  const RunAnalysis* before = nullptr;
  const RunAnalysis* after = nullptr;
};
BuildPair find_pair(const Analysis& analysis, const std::string& file);

/// Process p of the one against process p of the other, which ran at the same time, block by block.
Comparison compare_paired(const RunAnalysis& before, const RunAnalysis& after, double threshold);
/// Two measurements that have nothing in common in time. Throws InputError for published means.
Comparison compare_unpaired(const RunAnalysis& before, const RunAnalysis& after, double threshold);

nlohmann::json to_json(const Comparison& comparison);

}  // namespace attnbench
