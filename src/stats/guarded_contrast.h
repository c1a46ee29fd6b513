#pragma once

#include <optional>
#include <span>
#include <vector>

#include "stats/contrast.h"
#include "stats/intervals.h"

namespace attnbench::stats {

/// An estimate from process values and, where some of them have modes (modes.h), the wide interval that it
/// must also satisfy: a side of a hypothesis is shown only if that interval lies wholly on it.
struct GuardedEstimate {
  Estimate estimate;
  std::optional<Interval> with_modes;

  /// with_modes where there is one, else that of the estimate; 95 %.
  Interval interval() const;
  /// Of the estimate; 1 where with_modes reaches the hypothesis.
  double above_p(double hypothesis = 0) const;
  double below_p(double hypothesis = 0) const;
  /// The same with the sign turned: of log(b / a) instead of log(a / b).
  GuardedEstimate negated() const;
};

/// contrast() of the samples' means. Of a single sample with weight 1 with_modes is interval_with_modes, as
/// in paired_log_ratio; of several it adds the samples' distances to their bounds in quadrature (Zou and
/// Donner 2008, "Construction of confidence limits about effect measures"), and is never narrower than the
/// estimate's interval. Throws InputError as contrast and sample_mean do.
GuardedEstimate guarded_contrast(std::span<const std::vector<double>> samples,
                                 std::span<const double> weights);
/// Of one sample.
GuardedEstimate guarded_mean(const std::vector<double>& sample);

}  // namespace attnbench::stats
