#pragma once

#include <limits>

namespace attnbench::stats {

/// Bound of an interval that is open on this side.
inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

}  // namespace attnbench::stats
