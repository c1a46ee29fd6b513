#include "stats/crossover.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "stats/contrast.h"

namespace attnbench::stats {
namespace {

/// Steps of the search within a segment: a gap or an island narrower than 1/kSteps of it can be missed, but
/// never one that holds an estimate.
constexpr int kSteps = 32;
constexpr int kBisections = 50;

/// The interpolated log-ratio between two neighbouring lengths, by weight of the upper one.
class Segment {
 public:
  Segment(const SizePoint& low, const SizePoint& high)
      : low_seqlen_(low.seqlen),
        high_seqlen_(high.seqlen),
        means_{sample_mean(low.process_logs), sample_mean(high.process_logs)} {}

  double seqlen(double weight) const {
    if (weight == 1) return high_seqlen_;
    return low_seqlen_ * std::pow(high_seqlen_ / low_seqlen_, weight);
  }

  bool may_be_zero(double weight) const {
    return contrast(means_, std::array{1 - weight, weight}).two_sided_p() >= 1 - kConfidence;
  }

  /// Weights at which to look, rising: an even grid and the zero of the mean.
  std::vector<double> weights() const {
    std::vector<double> result;
    for (int step = 0; step <= kSteps; ++step) result.push_back(static_cast<double>(step) / kSteps);
    if (const auto zero = zero_weight(); zero > 0 && zero < 1) {
      result.insert(std::lower_bound(result.begin(), result.end(), zero), zero);
    }
    return result;
  }

  /// Where the mean is 0; outside [0, 1] or NaN when nowhere in the segment.
  double zero_weight() const { return means_[0].mean / (means_[0].mean - means_[1].mean); }

  /// Where the answer of may_be_zero changes between two weights at which it differs.
  double boundary(double inside, double outside) const {
    for (int i = 0; i < kBisections; ++i) {
      const double middle = (inside + outside) / 2;
      (may_be_zero(middle) ? inside : outside) = middle;
    }
    return inside;
  }

 private:
  double low_seqlen_, high_seqlen_;
  std::array<SampleMean, 2> means_;
};

void add_estimate(std::vector<double>& estimates, double seqlen) {
  if (estimates.empty() || seqlen > estimates.back()) estimates.push_back(seqlen);
}

}  // namespace

Crossover find_crossover(std::span<const SizePoint> log_ratios) {
  check_series(log_ratios);
  Crossover result;
  bool inside = false;
  for (std::size_t i = 0; i + 1 < log_ratios.size(); ++i) {
    const Segment segment(log_ratios[i], log_ratios[i + 1]);
    if (const double zero = segment.zero_weight(); zero >= 0 && zero <= 1) {
      add_estimate(result.estimates, segment.seqlen(zero));
    }
    const auto weights = segment.weights();
    if (i == 0 && segment.may_be_zero(0)) {
      result.ranges.push_back({log_ratios[0].seqlen, log_ratios[0].seqlen, true, false});
      inside = true;
    }
    for (std::size_t k = 1; k < weights.size(); ++k) {
      const bool now = segment.may_be_zero(weights[k]);
      if (now && !inside) {
        const double low = segment.seqlen(segment.boundary(weights[k], weights[k - 1]));
        result.ranges.push_back({low, low, false, false});
      }
      if (inside && !now) {
        result.ranges.back().high = segment.seqlen(segment.boundary(weights[k - 1], weights[k]));
      }
      inside = now;
    }
  }
  if (inside) {
    result.ranges.back().high = log_ratios.back().seqlen;
    result.ranges.back().open_high = true;
  }
  return result;
}

}  // namespace attnbench::stats
