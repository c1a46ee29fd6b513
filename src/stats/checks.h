#pragma once

#include <span>
#include <string_view>

namespace attnbench::stats {

/// Throws InputError naming `field` and the value for a NaN or an infinity.
void require_finite(std::string_view field, std::span<const double> values);
/// The same for anything that is not a finite number above 0.
void require_positive(std::string_view field, std::span<const double> values);
/// The same for anything outside (0, 1).
void require_fraction(std::string_view field, double value);

}  // namespace attnbench::stats
