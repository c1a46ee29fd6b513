#include "stats/fieller.h"

#include <array>
#include <cmath>
#include <utility>

#include "stats/checks.h"
#include "stats/constants.h"
#include "stats/contrast.h"

namespace attnbench::stats {

Interval FiellerSet::interval() const {
  if (kind == Kind::kInterval) return {estimate, low, high};
  return {estimate, -kInfinity, kInfinity};
}

FiellerSet fieller(std::span<const double> numerators, std::span<const double> denominators) {
  require_positive("numerator", numerators);
  require_positive("denominator", denominators);
  const auto y = sample_mean(numerators);
  const auto x = sample_mean(denominators);
  FiellerSet result;
  result.estimate = y.mean / x.mean;
  const auto at_estimate = contrast(std::array{y, x}, std::array{1.0, -result.estimate});
  if (std::isinf(at_estimate.standard_error)) return result;

  // (y - r x)^2 <= t^2 (Vy + r^2 Vx) as a r^2 - 2 b r + c <= 0. Without covariance b^2 - a c >= 0 if a > 0.
  const double t = t_quantile((1 + kConfidence) / 2, at_estimate.df);
  const double a = x.mean * x.mean - t * t * x.variance;
  const double b = x.mean * y.mean;
  const double c = y.mean * y.mean - t * t * y.variance;
  const double discriminant = b * b - a * c;
  if (a == 0 || discriminant < 0) return result;
  const double root = std::sqrt(discriminant);
  result.low = (b - root) / a;
  result.high = (b + root) / a;
  if (result.low > result.high) std::swap(result.low, result.high);
  result.kind = a > 0 ? FiellerSet::Kind::kInterval : FiellerSet::Kind::kComplement;
  return result;
}

}  // namespace attnbench::stats
