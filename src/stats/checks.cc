#include "stats/checks.h"

#include <fmt/format.h>

#include <cmath>

#include "attnbench/error.h"

namespace attnbench::stats {

void require_finite(std::string_view field, std::span<const double> values) {
  for (const double value : values) {
    if (!std::isfinite(value)) throw InputError(field, fmt::format("{}", value), "is not a finite number");
  }
}

void require_positive(std::string_view field, std::span<const double> values) {
  require_finite(field, values);
  for (const double value : values) {
    if (value <= 0) throw InputError(field, fmt::format("{}", value), "must be above 0");
  }
}

void require_fraction(std::string_view field, double value) {
  if (!(value > 0 && value < 1))
    throw InputError(field, fmt::format("{}", value), "must lie between 0 and 1");
}

}  // namespace attnbench::stats
