#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace attnbench {

/// A process with more of its CPU time than this on cores that are not of the fastest kind is flagged.
/// Nobody has measured yet what that costs, so it rejects nothing.
inline constexpr double kEfficiencyShare = 0.05;

/// What the noise of a process (ProcessRecord::noise) says that rejects nothing and is to be seen all the
/// same, in words that are equal for all processes it is true of. macOS alone tells: a thermal state that is
/// not nominal, Low Power Mode, efficiency cores.
std::vector<std::string> noise_flags(const nlohmann::json& noise);

}  // namespace attnbench
