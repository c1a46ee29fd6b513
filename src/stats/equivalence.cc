#include "stats/equivalence.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "attnbench/error.h"

namespace attnbench::stats {

double equivalence_p(const Estimate& log_ratio, double margin_ratio) {
  if (!(margin_ratio > 1))
    throw InputError("margin_ratio", fmt::format("{}", margin_ratio), "must be above 1");
  const double margin = std::log(margin_ratio);
  return std::max(log_ratio.above_p(-margin), log_ratio.below_p(margin));
}

}  // namespace attnbench::stats
