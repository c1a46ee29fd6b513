#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "core/system/system_files.h"

namespace attnbench {

/// What macOS alone tells at a moment; empty where it is not told, which is everything on Linux.
struct AppleProbe {
  std::optional<double> busy_seconds;         ///< of all CPUs, by anyone
  std::optional<double> own_seconds;          ///< CPU time of this process
  std::optional<double> performance_seconds;  ///< that part of it on cores of the fastest kind
  std::optional<std::int64_t> thermal_state;  ///< NSProcessInfo's: 0 nominal, 1 fair, 2 serious, 3 critical
  std::optional<bool> low_power_mode;
};
AppleProbe probe_apple(const SystemFiles& files);

/// Adds to a difference() what is known: thermal_state (the worse of the two, in words), low_power_mode (at
/// one of the two), efficiency_core_share (of this process's CPU time).
void add_apple_difference(const AppleProbe& start, const AppleProbe& end, nlohmann::json& noise);

/// Why a process does not count, by the thermal state in its noise; nothing where it counts.
std::optional<std::string> thermal_reject_reason(const nlohmann::json& noise);

}  // namespace attnbench
