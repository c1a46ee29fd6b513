#include "analysis/format.h"

#include <fmt/format.h>

namespace attnbench {

TimeUnit unit_for(double seconds) {
  if (seconds >= 1) return {"s", 1};
  if (seconds >= 1e-3) return {"ms", 1e3};
  return {"us", 1e6};
}

std::string three_digits(double value) {
  // The bounds are where rounding would carry into a fourth digit.
  const int decimals = value >= 99.95 ? 0 : value >= 9.995 ? 1 : value >= 0.9995 ? 2 : 3;
  return fmt::format("{:.{}f}", value, decimals);
}

std::string half_width_percent(const stats::Interval& interval) {
  if (!interval.is_bounded()) return "-";
  const double percent = (interval.high - interval.low) / 2 / interval.estimate * 100;
  return fmt::format("{:.{}f}", percent, percent >= 9.95 ? 0 : 1);
}

std::string ratio_text(double ratio) {
  const int decimals = ratio >= 99.95 ? 0 : ratio >= 9.995 ? 1 : ratio >= 0.0995 ? 2 : 3;
  return fmt::format("{:.{}f}", ratio, decimals);
}

std::string range_text(const stats::Interval& ratio) {
  if (!ratio.is_bounded()) return "-";
  return fmt::format("{}-{}", ratio_text(ratio.low), ratio_text(ratio.high));
}

}  // namespace attnbench
