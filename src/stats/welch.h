#pragma once

#include <span>

#include "stats/contrast.h"

namespace attnbench::stats {

/// mean(a) - mean(b) of two independent samples with unequal variances; its t(), df and two_sided_p() are
/// Welch's test (Welch 1947, "The Generalization of 'Student's' Problem when Several Different Population
/// Variances are Involved"). Values are process means, never calls. Two kernels measured in the same
/// processes are not independent: their common noise stays in the error, so that the test is conservative
/// under pairing and decides nothing. Logarithms of process values give the log of a ratio: of two stores
/// that were measured separately, or of two N. Fewer than two values in either: infinite standard error, p
/// = 1. Throws InputError for no values, or one that is not finite.
Estimate welch_difference(std::span<const double> a, std::span<const double> b);

}  // namespace attnbench::stats
