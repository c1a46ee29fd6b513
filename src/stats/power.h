#pragma once

#include <optional>

namespace attnbench::stats {

/// Of a test that is said to be able to detect something.
constexpr double kPower = 0.8;

/// Probability that the two-sided t test at level alpha, on `processes` paired log-ratios with standard
/// deviation log_sd, finds a true `ratio` different from 1 (noncentral t: Johnson, Kotz and Balakrishnan
/// 1995, "Continuous Univariate Distributions" 2, chapter 31; Cohen 1988, "Statistical Power Analysis",
/// chapter 2). Throws InputError for a ratio or log_sd not above 0, fewer than two processes, alpha outside
/// (0, 1).
double power_of_ratio_test(double ratio, double log_sd, int processes, double alpha = 0.05);

/// The smallest ratio above 1 that the test finds with probability `power`; its reciprocal below 1 is found
/// as often. Errors as above.
double smallest_detectable_ratio(double log_sd, int processes, double power = kPower, double alpha = 0.05);

/// The fewest processes with which the test finds `ratio` with probability `power`. Nothing beyond a million.
/// Errors as above; a ratio of exactly 1 is one.
std::optional<int> processes_needed(double ratio, double log_sd, double power = kPower, double alpha = 0.05);

}  // namespace attnbench::stats
