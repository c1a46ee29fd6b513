#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>

/// Every limit of the noise guard. They were set before any result and invalidate a process whatever it
/// measured; they are stored with a run.
namespace attnbench::thresholds {

/// Steal time of the CPU set over the process's own CPU time.
inline constexpr double kStealShare = 0.02;
/// Time in which some runnable task waited for a CPU, over wall time, or, where it is less, the CPU time on
/// the set that was not the process's, over wall time.
inline constexpr double kPressureShare = 0.05;
/// Larger over smaller median of the sentinel's first and last third, less 1.
inline constexpr double kSentinelDrift = 0.15;
/// The worst of NSProcessInfo's thermal states (macOS) that counts: 1, "fair", at which, Apple says, nothing
/// need be done; from "serious" on performance is reduced.
inline constexpr std::int64_t kMostThermalState = 1;
/// A rate above this multiple of the measured ceiling is impossible.
inline constexpr double kCeilingFactor = 1.10;

nlohmann::json to_json();

}  // namespace attnbench::thresholds
