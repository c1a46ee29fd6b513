#include "dispatch/cost_model.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <optional>

namespace attnbench {
namespace {

/// One error in ten is beyond each limit.
constexpr double kNormal80 = 1.2815515655446004;

constexpr std::size_t kTerms = 4;
using Terms = std::array<double, kTerms>;

/// Least squares of rows x = targets over the terms of the mask, by the normal equations; nothing where they
/// are singular or a term comes out negative.
struct Fit {
  Terms terms{};
  double squares = 0;
};
std::optional<Fit> fit_terms(std::span<const Terms> rows, std::span<const double> targets, unsigned mask) {
  std::vector<std::size_t> used;
  for (std::size_t j = 0; j < kTerms; ++j) {
    if ((mask >> j & 1U) != 0) used.push_back(j);
  }
  const auto n = used.size();
  std::array<std::array<double, kTerms + 1>, kTerms> a{};
  for (std::size_t i = 0; i < rows.size(); ++i) {
    for (std::size_t r = 0; r < n; ++r) {
      for (std::size_t c = 0; c < n; ++c) a[r][c] += rows[i][used[r]] * rows[i][used[c]];
      a[r][n] += rows[i][used[r]] * targets[i];
    }
  }
  for (std::size_t r = 0; r < n; ++r) {
    const double before = a[r][r];
    for (std::size_t k = 0; k < r; ++k) {
      const double factor = a[r][k] / a[k][k];
      for (std::size_t c = k; c <= n; ++c) a[r][c] -= factor * a[k][c];
    }
    if (!(a[r][r] > 1e-10 * before)) return std::nullopt;
  }
  Fit fit;
  for (std::size_t r = n; r-- > 0;) {
    double value = a[r][n];
    for (std::size_t c = r + 1; c < n; ++c) value -= a[r][c] * fit.terms[used[c]];
    fit.terms[used[r]] = value / a[r][r];
    if (fit.terms[used[r]] < 0) return std::nullopt;
  }
  for (std::size_t i = 0; i < rows.size(); ++i) {
    double miss = targets[i];
    for (std::size_t j = 0; j < kTerms; ++j) miss -= rows[i][j] * fit.terms[j];
    fit.squares += miss * miss;
  }
  return fit;
}

std::optional<Terms> fit_non_negative(std::span<const Terms> rows, std::span<const double> targets) {
  std::optional<Fit> best;
  for (unsigned mask = 1; mask < 1U << kTerms; ++mask) {
    if (static_cast<std::size_t>(__builtin_popcount(mask)) > rows.size()) continue;
    const auto fit = fit_terms(rows, targets, mask);
    if (fit && (!best || fit->squares < best->squares)) best = fit;
  }
  if (!best) return std::nullopt;
  return best->terms;
}

double matern(double distance, double length) {
  const double d = std::sqrt(3.0) * distance / length;
  return (1 + d) * std::exp(-d);
}

double distance(const CostCoordinates& a, const CostCoordinates& b) {
  double squares = 0;
  for (std::size_t i = 0; i < a.size(); ++i) squares += (a[i] - b[i]) * (a[i] - b[i]);
  return std::sqrt(squares);
}

/// Inverse of a symmetric positive definite matrix by Cholesky's decomposition, in place.
void invert(std::vector<double>& a, std::size_t n) {
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t k = 0; k < j; ++k) {
      for (std::size_t i = j; i < n; ++i) a[i * n + j] -= a[i * n + k] * a[j * n + k];
    }
    const double root = std::sqrt(a[j * n + j]);
    for (std::size_t i = j; i < n; ++i) a[i * n + j] /= root;
  }
  // The inverse of the lower factor, then its transpose times itself.
  for (std::size_t j = 0; j < n; ++j) {
    a[j * n + j] = 1 / a[j * n + j];
    for (std::size_t i = j + 1; i < n; ++i) {
      double sum = 0;
      for (std::size_t k = j; k < i; ++k) sum -= a[i * n + k] * a[k * n + j];
      a[i * n + j] = sum / a[i * n + i];
    }
  }
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t i = j; i < n; ++i) {
      double sum = 0;
      for (std::size_t k = i; k < n; ++k) sum += a[k * n + i] * a[k * n + j];
      a[i * n + j] = sum;
    }
  }
  for (std::size_t j = 0; j < n; ++j) {
    for (std::size_t i = 0; i < j; ++i) a[i * n + j] = a[j * n + i];
  }
}

}  // namespace

CostTrend fit_trend(std::span<const CostPoint> points) {
  // Columns of like size, so that none is lost in rounding.
  const auto columns_of = [](const CostWork& work) {
    return Terms{1, work.useful_flops, work.dense_flops, work.bytes};
  };
  Terms scale{1};
  for (const auto& point : points) {
    const auto columns = columns_of(point.work);
    for (std::size_t j = 0; j < kTerms; ++j) scale[j] = std::max(scale[j], columns[j]);
  }
  const auto columns = [&](const CostPoint& point) {
    auto scaled = columns_of(point.work);
    for (std::size_t j = 0; j < kTerms; ++j) scaled[j] = scale[j] > 0 ? scaled[j] / scale[j] : 0;
    return scaled;
  };
  std::vector<double> predicted;
  for (const auto& point : points) predicted.push_back(std::exp(point.log_seconds));
  std::vector<Terms> rows(points.size());
  std::vector<double> targets(points.size());
  Terms best{};
  double least = std::numeric_limits<double>::infinity();
  constexpr int kSteps = 12;
  for (int step = 0; step < kSteps; ++step) {
    for (std::size_t i = 0; i < points.size(); ++i) {
      rows[i] = columns(points[i]);
      for (auto& entry : rows[i]) entry /= predicted[i];
      targets[i] = points[i].log_seconds - std::log(predicted[i]) + 1;
    }
    const auto terms = fit_non_negative(rows, targets);
    if (!terms) break;
    double squares = 0;
    for (std::size_t i = 0; i < points.size(); ++i) {
      const auto row = columns(points[i]);
      double next = 0;
      for (std::size_t j = 0; j < kTerms; ++j) next += row[j] * (*terms)[j];
      const double miss = points[i].log_seconds - std::log(next);
      squares += miss * miss;
      predicted[i] = next;
    }
    if (!std::isfinite(squares)) break;
    if (squares < least) {
      least = squares;
      best = *terms;
    }
  }
  if (!std::isfinite(least)) {  // a constant always fits
    for (const auto& point : points) best[0] += point.log_seconds / static_cast<double>(points.size());
    best[0] = std::exp(best[0]);
  }
  for (std::size_t j = 0; j < kTerms; ++j) best[j] = scale[j] > 0 ? best[j] / scale[j] : 0;
  return {best[0], best[1], best[2], best[3]};
}

CostModel::CostModel(std::vector<CostPoint> points) : points_(std::move(points)), trend_(fit_trend(points_)) {
  const auto n = points_.size();
  std::vector<double> misses;
  double squares = 0;
  for (const auto& point : points_) {
    misses.push_back(point.log_seconds - std::log(trend_.seconds(point.work)));
    squares += misses.back() * misses.back();
  }
  // A trend through few points misses none of them; that says little of what lies between. As if three more
  // points had missed by 15 %.
  constexpr double kSupposedPoints = 3, kSupposedMiss = 0.15;
  variance_ = (squares + kSupposedPoints * kSupposedMiss * kSupposedMiss) /
              (static_cast<double>(n) + kSupposedPoints);
  double greatest = -std::numeric_limits<double>::infinity();
  for (const double length : {1.0, 2.0, 4.0}) {
    std::vector<double> inverse(n * n);
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j)
        inverse[i * n + j] = variance_ * matern(distance(points_[i].at, points_[j].at), length);
      // Two points in one place need not agree to the last digit.
      constexpr double kLeastVariance = 1e-6;
      inverse[i * n + i] += std::max(points_[i].log_error * points_[i].log_error, kLeastVariance);
    }
    invert(inverse, n);
    std::vector<double> weights(n);
    double density = 0;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) weights[i] += inverse[i * n + j] * misses[j];
      const double variance = 1 / inverse[i * n + i];
      const double miss = weights[i] * variance;
      density -= 0.5 * (std::log(variance) + miss * miss / variance);
    }
    if (density > greatest) {
      greatest = density;
      octaves_ = length;
      weights_ = std::move(weights);
      inverse_ = std::move(inverse);
    }
  }
}

double CostModel::covariance(const CostCoordinates& a, const CostCoordinates& b) const {
  return variance_ * matern(distance(a, b), octaves_);
}

CostModel::Prediction CostModel::predict(const CostWork& work, const CostCoordinates& at) const {
  const auto n = points_.size();
  std::array<double, kMostPoints> near{};
  Prediction prediction{std::log(trend_.seconds(work)), 0};
  for (std::size_t i = 0; i < n; ++i) {
    near[i] = covariance(at, points_[i].at);
    prediction.log_seconds += weights_[i] * near[i];
  }
  // Column by column: sums that need not wait for each other.
  std::array<double, kMostPoints> product{};
  for (std::size_t j = 0; j < n; ++j) {
    const double* column = &inverse_[j * n];
    for (std::size_t i = 0; i < n; ++i) product[i] += column[i] * near[j];
  }
  double explained = 0;
  for (std::size_t i = 0; i < n; ++i) explained += product[i] * near[i];
  prediction.log_error = std::sqrt(std::max(variance_ - explained, 0.0));
  return prediction;
}

bool CostModel::covers(const CostCoordinates& at) const {
  for (std::size_t i = 0; i < at.size(); ++i) {
    const auto [low, high] =
        std::minmax_element(points_.begin(), points_.end(),
                            [i](const CostPoint& a, const CostPoint& b) { return a.at[i] < b.at[i]; });
    constexpr double kOctave = 1 + 1e-9;
    if (!(at[i] >= low->at[i] - kOctave && at[i] <= high->at[i] + kOctave)) return false;
  }
  return true;
}

TimeRatio ratio_of(const CostModel::Prediction& first, const CostModel::Prediction& second) {
  const double log_ratio = first.log_seconds - second.log_seconds;
  const double half_width = kNormal80 * std::hypot(first.log_error, second.log_error);
  return {std::exp(log_ratio), std::exp(log_ratio - half_width), std::exp(log_ratio + half_width)};
}

std::size_t choose_by_time(std::span<const Contender> contenders, std::size_t incumbent) {
  std::size_t fastest = incumbent;
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    if (contenders[i].time.log_seconds < contenders[fastest].time.log_seconds) fastest = i;
  }
  const auto beats_incumbent = [&](std::size_t i) {
    return ratio_of(contenders[incumbent].time, contenders[i].time).low > kSwitchRatio;
  };
  if (fastest == incumbent || !beats_incumbent(fastest)) return incumbent;
  std::size_t chosen = fastest;
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    const double behind = contenders[i].time.log_seconds - contenders[fastest].time.log_seconds;
    if (i == incumbent || behind > std::log(kSwitchRatio) || !beats_incumbent(i)) continue;
    if (contenders[i].workspace_bytes < contenders[chosen].workspace_bytes) chosen = i;
  }
  return chosen;
}

}  // namespace attnbench
