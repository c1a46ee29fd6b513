#pragma once

#include <span>
#include <vector>

#include "simulation/noise_model.h"

namespace attnbench::simulation {

/// The rule of src/run/conductor/width.h on paired log-ratios, [kernel - 1][process]; the first is the alias.
bool is_narrow(std::span<const std::vector<double>> logs);

/// Processes of 30 blocks until a look at 10, 15 or 20 finds narrow intervals, else 30. Kernel 0 is the
/// baseline, kernel 1 its alias.
std::vector<std::vector<double>> simulate_until_narrow(const NoiseModel& noise,
                                                       std::span<const double> centre_seconds,
                                                       SplitMix64& random);

/// The noise scaled so that the 95 % interval of a paired ratio has this relative half-width, on average, at
/// 10 processes of 30 blocks.
NoiseModel scaled_to_half_width(const NoiseModel& noise, double half_width);

}  // namespace attnbench::simulation
