#pragma once

#include <span>

#include "stats/intervals.h"

namespace attnbench::stats {

/// What one process says of a kernel, and all that is said of it: the median of its blocks' times, seconds. A
/// block that something else disturbed does not move it. NaN for no blocks. Throws InputError for a time that
/// is not a finite number above 0.
double process_seconds(std::span<const double> block_seconds);

/// log(process_seconds(baseline) / process_seconds(kernel)): above 0 the kernel is faster. Errors as above.
double process_log_ratio(std::span<const double> baseline_blocks, std::span<const double> kernel_blocks);

/// exp(mean +- t s / sqrt R) over the logarithms of R processes' ratios: the geometric mean with its 95 %
/// interval. Logarithms make time(a)/time(b) and time(b)/time(a) agree (Fleming and Wallace 1986, "How not to
/// lie with statistics"). From processes that have both kernels it is exactly the quotient of their
/// time_interval estimates. Throws InputError for a value not finite.
Interval ratio_interval(std::span<const double> process_log_ratios);

/// Processes that follow each other resemble each other in their absolute times: a machine has slow and fast
/// spells. Correlation of neighbours that an interval of a time allows for (docs/methodology.md says where it
/// comes from). It cancels in ratios.
constexpr double kSerialCorrelation = 1.0 / 3;

/// The same of times, from logarithms of seconds, with the variance of the mean multiplied by (1 + r) / (1 -
/// r) for r = kSerialCorrelation, which is 2: the limit for a first-order autoregressive series (Bayley and
/// Hammersley 1946, "The 'Effective' Number of Independent Observations in an Autocorrelated Time Series").
/// Wider than 95 % where processes are independent.
Interval time_interval(std::span<const double> process_log_seconds);

}  // namespace attnbench::stats
