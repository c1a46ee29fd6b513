#include "stats/modes.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <vector>

#include "stats/checks.h"
#include "stats/constants.h"
#include "stats/median_interval.h"

namespace attnbench::stats {
namespace {

/// Of logarithms of times. Groups less than 0.5 % apart, a quarter of the margin of EQUIVALENT, change no
/// statement; what is left of exactly repeated values is rounding.
constexpr double kNarrowestGap = 0.005;

struct Critical {
  std::size_t values;
  double gap;
};
constexpr std::array<Critical, 30> kCritical{
    {{5, 8.783},  {6, 6.395},  {7, 5.177},  {8, 4.430},  {9, 3.919},  {10, 3.545}, {11, 3.257}, {12, 3.038},
     {13, 2.859}, {14, 2.714}, {15, 2.590}, {16, 2.490}, {17, 2.404}, {18, 2.329}, {19, 2.263}, {20, 2.209},
     {21, 2.159}, {22, 2.115}, {23, 2.072}, {24, 2.038}, {25, 2.008}, {26, 1.973}, {27, 1.949}, {28, 1.928},
     {29, 1.902}, {30, 1.881}, {40, 1.733}, {50, 1.646}, {75, 1.518}, {100, 1.449}}};

double squares_about_mean(std::span<const double> values) {
  const double centre = mean(values);
  double sum = 0;
  for (const double value : values) sum += (value - centre) * (value - centre);
  return sum;
}

}  // namespace

double gap_statistic(std::span<const double> values) {
  require_finite("value", values);
  if (values.size() < 3) return 0;
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  const std::span<const double> all(sorted);
  double largest = 0;
  for (std::size_t below = 1; below < all.size(); ++below) {
    const double gap = all[below] - all[below - 1];
    if (gap <= kNarrowestGap) continue;
    const double within = squares_about_mean(all.first(below)) + squares_about_mean(all.subspan(below));
    largest = std::max(largest, gap / std::sqrt(within / static_cast<double>(all.size() - 2)));
  }
  return largest;
}

double critical_gap(std::size_t values) {
  const auto* const above = std::find_if(kCritical.begin(), kCritical.end(),
                                         [&](const auto& entry) { return entry.values >= values; });
  if (values < kCritical.front().values) return kInfinity;
  if (above == kCritical.end()) return kCritical.back().gap;
  if (above->values == values) return above->gap;
  const auto& below = above[-1];
  const double share =
      static_cast<double>(values - below.values) / static_cast<double>(above->values - below.values);
  return below.gap + share * (above->gap - below.gap);
}

bool has_modes(std::span<const double> process_values) {
  return gap_statistic(process_values) > critical_gap(process_values.size());
}

Interval interval_with_modes(std::span<const double> values) {
  auto interval = mean_interval(values);
  if (values.size() < 2) return interval;
  const auto [smallest, largest] = std::minmax_element(values.begin(), values.end());
  const auto median = median_interval(values).interval;
  interval.low = std::min(interval.low, std::isfinite(median.low) ? median.low : *smallest);
  interval.high = std::max(interval.high, std::isfinite(median.high) ? median.high : *largest);
  return interval;
}

Interval process_interval(std::span<const double> process_values) {
  return has_modes(process_values) ? interval_with_modes(process_values) : mean_interval(process_values);
}

double share_not_excluded(std::size_t processes) {
  return processes == 0 ? 1 : -std::expm1(std::log(1 - kConfidence) / static_cast<double>(processes));
}

}  // namespace attnbench::stats
