#pragma once

#include <cstddef>
#include <optional>
#include <span>

#include "dispatch/cost_model.h"

namespace attnbench {

/// Mean of max(0, X) of a normal X.
double mean_excess(double mean, double deviation);

/// The logarithm of time that is expected to be lost by taking the chosen one: the largest mean excess of its
/// logarithm over that of another. 0 where there is no other.
double expected_loss(std::span<const Contender> contenders, std::size_t chosen);

/// A cell that may be measured next.
struct TuneOption {
  double loss = 0;     ///< expected_loss() of the choice there
  double seconds = 0;  ///< that measuring it takes
};
/// Index of the option that lessens most loss a second, of those that the time left pays for; nothing where
/// there is none or where no loss above `least_loss` is left to lessen.
std::optional<std::size_t> most_worthwhile(std::span<const TuneOption> options, double seconds_left,
                                           double least_loss);

}  // namespace attnbench
