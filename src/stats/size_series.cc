#include "stats/size_series.h"

#include <fmt/format.h>

#include <array>

#include "attnbench/error.h"
#include "stats/checks.h"

namespace attnbench::stats {

void check_series(std::span<const SizePoint> series) {
  if (series.size() < 2) {
    throw InputError("seqlen", fmt::format("{} length(s)", series.size()), "is too few: two are needed");
  }
  double previous = 0;
  for (const auto& point : series) {
    require_positive("seqlen", std::array{point.seqlen});
    if (point.seqlen <= previous) {
      throw InputError("seqlen", fmt::format("{}", point.seqlen),
                       fmt::format("does not follow {}", previous));
    }
    previous = point.seqlen;
    if (point.process_logs.empty()) {
      throw InputError("seqlen", fmt::format("{}", point.seqlen), "has no processes");
    }
    require_finite("log", point.process_logs);
  }
}

}  // namespace attnbench::stats
