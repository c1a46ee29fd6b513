#pragma once

#include <array>
#include <cstddef>
#include <span>
#include <vector>

namespace attnbench {

/// Where a problem lies among those measured: log2 of seqlen_q, seqlen_kv, batch x query heads and the mean
/// head dimension.
using CostCoordinates = std::array<double, 4>;

/// What a problem asks for, in closed form: the FLOPs that a kernel executes are a loop over its tiles, too
/// long for a decision.
struct CostWork {
  double useful_flops = 0;  ///< of the allowed pairs
  double dense_flops = 0;   ///< of all pairs: a mask over dense attention costs those
  double bytes = 0;         ///< compulsory
};

/// One kernel's time on one problem.
struct CostPoint {
  CostWork work;
  CostCoordinates at{};
  double log_seconds = 0;
  double log_error = 0;  ///< standard error of log_seconds
};

/// Seconds as a sum of four terms, none negative.
struct CostTrend {
  double fixed = 0, per_useful_flop = 0, per_dense_flop = 0, per_byte = 0;
  double seconds(const CostWork& work) const {
    return fixed + per_useful_flop * work.useful_flops + per_dense_flop * work.dense_flops +
           per_byte * work.bytes;
  }
};

/// The trend whose logarithm is nearest to that of the times, by least squares (Gauss-Newton; each step is a
/// linear problem with non-negative unknowns, solved over all subsets of the terms). Of fewer than
/// four points, as many terms as there are points. Pre: at least one point.
CostTrend fit_trend(std::span<const CostPoint> points);

/// The time of one kernel in one element type, on one number of threads, as a function of the problem: a
/// trend, and what it misses at the points as a Gaussian process over the coordinates, Matern 3/2
/// (Rasmussen and Williams 2006, "Gaussian Processes for Machine Learning", eq. 2.25, 2.26 and 4.17; the
/// length is the one of 1, 2 and 4 octaves with the greatest leave-one-out density, eq. 5.10 to 5.12). At a
/// measured point it gives back what was measured, between points what their neighbours miss, and it is less
/// sure the farther away they are.
class CostModel {
 public:
  /// Pre: at least one point, at most kMostPoints.
  explicit CostModel(std::vector<CostPoint> points);
  static constexpr std::size_t kMostPoints = 192;

  struct Prediction {
    double log_seconds = 0;
    double log_error = 0;  ///< standard deviation
  };
  Prediction predict(const CostWork& work, const CostCoordinates& at) const;
  /// Whether the problem is at most an octave outside the range of the points, in each coordinate: beyond
  /// that a trend is a guess.
  bool covers(const CostCoordinates& at) const;

  const CostTrend& trend() const { return trend_; }
  const std::vector<CostPoint>& points() const { return points_; }

 private:
  double covariance(const CostCoordinates& a, const CostCoordinates& b) const;

  std::vector<CostPoint> points_;
  CostTrend trend_;
  double variance_ = 0;          ///< of what the trend misses
  double octaves_ = 1;           ///< length over which that changes
  std::vector<double> weights_;  ///< of the points in the mean
  std::vector<double> inverse_;  ///< of their covariance, row by row
};

/// What is known of the quotient of two times.
struct TimeRatio {
  double ratio = 1, low = 1, high = 1;  ///< and the limits of its 80 % interval
};
/// Of the first over the second, as if their errors were independent, which makes the interval too wide: two
/// kernels miss their trends at the same problems.
TimeRatio ratio_of(const CostModel::Prediction& first, const CostModel::Prediction& second);

/// Number of the rule that chooses by the times of a profile: the cost model's form, the limits of
/// ratio_of(), choose_by_time() and the default that it starts from. Raised with every change of what the
/// same times lead to: a certificate is of the choices by one rule.
inline constexpr int kChoosingRule = 1;

/// By how much another kernel must be shown to be faster before it takes the place of the default.
inline constexpr double kSwitchRatio = 1.02;

/// A kernel as far as choosing by time is concerned.
struct Contender {
  CostModel::Prediction time;
  double workspace_bytes = 0;
};
/// Index of the one to take; `incumbent` stays unless the lower limit of its time over the fastest one's
/// exceeds kSwitchRatio. Of those of which that is shown and that are within kSwitchRatio of the fastest, the
/// one with the smallest workspace; of equal ones the fastest, then the first.
std::size_t choose_by_time(std::span<const Contender> contenders, std::size_t incumbent);

}  // namespace attnbench
