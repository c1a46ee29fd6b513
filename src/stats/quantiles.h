#pragma once

namespace attnbench::stats {

/// Distribution functions, from Boost.Math: this file's source alone includes it, at twenty seconds a file
/// that does. df: degrees of freedom, above 0. Upper tails are computed as such, not as 1 - cdf.

/// Student's t: the p quantile, P(T > t).
double t_quantile(double p, double df);
double t_upper_tail(double t, double df);

/// Non-central t: P(T <= t) and P(T > t).
double noncentral_t_cdf(double t, double df, double noncentrality);
double noncentral_t_upper_tail(double t, double df, double noncentrality);

/// Chi-square: the p quantile, P(X <= x) and P(X > x).
double chi_squared_quantile(double p, double df);
double chi_squared_cdf(double x, double df);
double chi_squared_upper_tail(double x, double df);

/// P(at most k of n tosses of a fair coin are heads).
double coin_cdf(double k, double n);

}  // namespace attnbench::stats
