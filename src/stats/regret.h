#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

#include "stats/intervals.h"

namespace attnbench::stats {

/// What choosing costs on one problem that was not used to choose. A kernel's times are logarithms, one a
/// process, the same processes for all kernels.
struct RegretCase {
  std::vector<std::vector<double>> log_seconds;  ///< by kernel
  std::size_t chosen = 0;
  double weight = 1;  ///< of the problem in means
};

/// Logarithm of the chosen kernel's time over that of the best.
struct Regret {
  /// The best is the kernel whose mean is the smallest: the luck of measuring makes this too large.
  double naive = 0;
  /// The best is picked in one half of the processes (even, odd) and compared in the other; the mean of both
  /// ways round. Never too large on average, and negative where the choice was better than the one picked.
  double cross_fitted = 0;
};
/// Throws InputError for fewer than two processes, unequal numbers of them, or a choice that is none of the
/// kernels.
Regret regret_of(const RegretCase& problem);
/// Regret::cross_fitted with its 95 % interval, given what the halves picked: a process is one difference, to
/// the kernel that the other half picked; Student's t, with the variance within the halves pooled. Unbounded
/// for two processes. Throws InputError as regret_of() does.
Interval cross_fitted_interval(const RegretCase& problem);

struct RegretSummary {
  Interval cross_fitted;  ///< weighed mean of exp(regret) - 1 over problems, with its 95 % interval
  Interval naive;         ///< the same mean
  /// Problems where some kernel is shown to be more than exp(log_band) as fast as the chosen one: one-sided t
  /// tests, paired by process, Holm over all kernels of all problems at 5 %.
  std::vector<std::size_t> shown;
  /// Median over problems of how far the means of the chosen kernel's log-times in the two halves lie apart:
  /// what measuring alone makes of no difference.
  double half_difference = 0;
};
/// Throws InputError for no problems and weights that are not positive.
RegretSummary summarise_regret(std::span<const RegretCase> problems, double log_band);

/// Problems where the chosen kernel is shown to be slower than another one of each, standard[i]: one-sided t
/// tests, paired by process, Holm over all problems at 5 %. The chosen kernel is never slower than itself.
std::vector<std::size_t> shown_slower_than(std::span<const RegretCase> problems,
                                           std::span<const std::size_t> standard);

/// What choosing gains over one choice for all problems.
struct FixedChoiceGain {
  /// The best fixed choice by the even processes, and by the odd ones: the smallest weighed mean of
  /// log-times.
  std::array<std::size_t, 2> best{};
  /// Weighed geometric mean over problems of the fixed choice's time over that of the chosen kernel, with its
  /// 95 % interval: the fixed choice picked in one half of the processes is compared in the other.
  Interval ratio;
};
/// fixed[f][i] is the kernel that the fixed choice f takes for problem i. Throws InputError for no problems
/// or no fixed choices.
FixedChoiceGain gain_over_fixed(std::span<const RegretCase> problems,
                                std::span<const std::vector<std::size_t>> fixed);

}  // namespace attnbench::stats
