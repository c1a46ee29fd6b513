#pragma once

#include <optional>
#include <span>
#include <vector>

namespace attnbench::stats {

/// Where the spread of samples comes from: y(p, b) = mean + process(p) + residual(p, b).
struct VarianceComponents {
  double mean = 0;     ///< of process means
  double between = 0;  ///< variance of the process effects, at least 0
  double within = 0;   ///< variance of the residuals
  double blocks = 0;   ///< in a process; n0, their effective mean number, where it varies
  std::size_t processes = 0;

  /// Share of a sample's variance that all samples of its process have in common, 0 to 1. 0 without variance.
  double intraclass_correlation() const;
  /// Variance of the mean over that of as many independent samples: 1 + (blocks - 1) ICC (Kish 1965, "Survey
  /// Sampling", section 5.4). So many samples count as one.
  double design_effect() const;
  /// Standard deviation of the process effects over the mean.
  double cv_between() const;
  /// Standard deviation of the residuals over the mean.
  double cv_within() const;
};

/// One-way random effects by analysis of variance, from one list of block values a process; lists may differ
/// in length (Searle, Casella and McCulloch 1992, "Variance Components", chapter 3). A negative estimate of
/// the variance between processes becomes 0. Nothing for fewer than two processes or no process with two
/// blocks. Throws InputError for a process without values, or a value not finite.
std::optional<VarianceComponents> variance_components(std::span<const std::vector<double>> processes);

}  // namespace attnbench::stats
