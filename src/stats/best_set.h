#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace attnbench::stats {

/// The kernels of a cell that may be its fastest.
struct BestSet {
  std::vector<std::size_t> members;  ///< indices, best first; one alone is the winner

  bool has_winner() const { return members.size() == 1; }
};

/// The kernel with the largest mean and all kernels it is not shown to be faster than: paired t tests of the
/// leader against each other kernel, Holm over these (the idea of Hsu 1984, "Constrained Simultaneous
/// Confidence Intervals for Multiple Comparisons with the Best"). A winner is so claimed against the
/// runner-up, and against all others. The kernel that is truly fastest is in the set with at least 95 %.
///
/// One list a kernel, of its paired log-ratio to the baseline in each process, processes in the same order;
/// the baseline's own are zeros. Fewer than kFewestProcesses (verdicts.h): all kernels. Throws InputError for
/// no kernels, lists that differ in length or are empty, or a value not finite.
BestSet find_best_set(std::span<const std::vector<double>> process_log_ratios);

}  // namespace attnbench::stats
