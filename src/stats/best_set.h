#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace attnbench::stats {

/// The kernels of one comparison that may be its fastest.
struct BestSet {
  std::vector<std::size_t> members;  ///< indices, best first; one alone is the winner
  /// So many members, the first, have a larger mean than every kernel left out. The others have not: noise
  /// alone keeps them, and kernels with a larger mean than theirs are shown not to be the fastest.
  std::size_t leading = 1;
  /// That the leader is not the fastest, Holm over the family: at most kFamilyError where it is the winner.
  double winner_p_adjusted = 1;

  bool has_winner() const { return members.size() == 1; }
};

/// Kernels measured in the same processes: one list a kernel, of its paired log-ratio to the baseline in each
/// process, processes in the same order; the baseline's own are zeros.
using Contest = std::vector<std::vector<double>>;

/// Of each contest of a family the kernel with the largest mean, the leader, and all kernels that may be as
/// fast. The leader is called the winner where it is shown to be faster than every other: the largest p of
/// the paired t tests against the others, which is that of the runner-up, two-sided (Gutmann and Maymin 1987,
/// "Is the Selected Population the Best?": the leader was chosen by the same data, and among two equal
/// kernels a one-sided test would err twice as often), with Holm's adjustment over the contests. Elsewhere a
/// kernel is left out of the set where the leader is shown to be faster than it: Holm over the contest's
/// tests, times the number of contests.
///
/// Nor is a kernel in the set that is `shown_slower` (a flag a kernel of each contest, or none at all) than
/// another of its contest by a test of its own, whose errors come on top of those below.
///
/// The chance that in any contest the kernel that is truly fastest is not in the set is at most 5 %; so is
/// the chance of a false winner. Fewer than kFewestProcesses (verdicts.h): all kernels. Throws InputError for
/// a contest without kernels, lists that differ in length or are empty, or a value not finite.
std::vector<BestSet> find_best_sets(std::span<const Contest> contests,
                                    std::span<const std::vector<bool>> shown_slower = {});

/// Of one contest that is a family by itself.
BestSet find_best_set(const Contest& contest);

}  // namespace attnbench::stats
