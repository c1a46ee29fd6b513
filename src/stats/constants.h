#pragma once

#include <limits>

namespace attnbench::stats {

/// Bound of an interval that is open on this side.
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Half-widths of 95 % intervals, as a share of the ratio, for which the publish profile measures.
constexpr double kAaHalfWidth = 0.01;     ///< of the baseline against itself
constexpr double kRatioHalfWidth = 0.02;  ///< of a kernel against the baseline

}  // namespace attnbench::stats
