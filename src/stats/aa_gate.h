#pragma once

#include <optional>
#include <span>
#include <vector>

#include "stats/intervals.h"

namespace attnbench::stats {

/// Family-wise level of the study-wide gate.
constexpr double kAaGateError = 0.02;
/// A significant A/A ratio within 1 % of 1 does no harm worth stopping for.
constexpr double kAaGateRatio = 1.01;

/// The baseline against its alias in one cell; the true ratio is 1.
struct AaCheck {
  Interval ratio;           ///< process_interval (modes.h): 95 %, unadjusted
  bool modes = false;       ///< the processes have modes
  double p_adjusted = 1;    ///< of ratio = 1, two-sided, Holm over the cells
  bool fails_gate = false;  ///< p_adjusted <= kAaGateError and the ratio further from 1 than kAaGateRatio
  /// What decides: with modes `ratio`, else the 90 % interval, which lies within the margin exactly where
  /// both one-sided tests at 5 % say so.
  Interval deciding;
  double margin_ratio = 1;  ///< equivalence_margin (equivalence.h) of the processes
  /// Two one-sided tests within margin_ratio at 5 %, unadjusted, and with modes all of `ratio` within it;
  /// otherwise too noisy for verdicts.
  bool equivalent = false;
};

/// The A/A checks of a study, in the order given; each element holds one cell's paired log-ratios of baseline
/// and alias, one a process. One failing cell makes the study unpublishable. From a single process follows
/// nothing: neither failing nor equivalent. Throws InputError for a cell without processes, or a value not
/// finite. `margin_ratio`: where the plan brings its own.
std::vector<AaCheck> check_aa(std::span<const std::vector<double>> process_log_ratios,
                              std::optional<double> margin_ratio = std::nullopt);

}  // namespace attnbench::stats
