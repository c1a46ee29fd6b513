#include "stats/welch.h"

#include <array>

namespace attnbench::stats {

Estimate welch_difference(std::span<const double> a, std::span<const double> b) {
  return contrast(std::array{sample_mean(a), sample_mean(b)}, std::array{1.0, -1.0});
}

}  // namespace attnbench::stats
