#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "plan/study.h"
#include "simulation/noise_model.h"

namespace attnbench::simulation {

/// The rule of src/run/conductor/width.h on paired log-ratios, [kernel - 1][process]; the first is the alias.
bool is_narrow(std::span<const std::vector<double>> logs, const Profile& profile = parse_profile("publish"));

/// Processes until a look of the profile finds narrow intervals, at most those of its last look, or of look
/// number `last`, where a budget ended the run. Kernel 0 is the baseline, kernel 1 its alias.
std::vector<std::vector<double>> simulate_until_narrow(const NoiseModel& noise,
                                                       std::span<const double> centre_seconds,
                                                       SplitMix64& random,
                                                       const Profile& profile = parse_profile("publish"),
                                                       std::size_t last = SIZE_MAX);

/// The noise scaled so that the 95 % interval of a paired ratio has this relative half-width, on average, at
/// 10 processes of 30 blocks.
NoiseModel scaled_to_half_width(const NoiseModel& noise, double half_width);

}  // namespace attnbench::simulation
