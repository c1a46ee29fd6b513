#include "stats/target_width.h"

#include "stats/constants.h"

namespace attnbench::stats {

double relative_half_width(const Interval& ratio) {
  return ratio.is_bounded() ? (ratio.high - ratio.low) / 2 / ratio.estimate : kInfinity;
}

}  // namespace attnbench::stats
