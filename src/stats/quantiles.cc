#include "stats/quantiles.h"

#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/non_central_t.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/policies/policy.hpp>

namespace attnbench::stats {

// Computed in double: long double, Boost's default, took a third of the time of the simulations, and its
// digits beyond the fourteenth are lost in what is shown.
using Policy = boost::math::policies::policy<boost::math::policies::promote_double<false>>;
using binomial = boost::math::binomial_distribution<double, Policy>;
using chi_squared = boost::math::chi_squared_distribution<double, Policy>;
using non_central_t = boost::math::non_central_t_distribution<double, Policy>;
using students_t = boost::math::students_t_distribution<double, Policy>;

double t_quantile(double p, double df) { return quantile(students_t(df), p); }
double t_upper_tail(double t, double df) { return cdf(complement(students_t(df), t)); }

double noncentral_t_cdf(double t, double df, double noncentrality) {
  return cdf(non_central_t(df, noncentrality), t);
}
double noncentral_t_upper_tail(double t, double df, double noncentrality) {
  return cdf(complement(non_central_t(df, noncentrality), t));
}

double chi_squared_quantile(double p, double df) { return quantile(chi_squared(df), p); }
double chi_squared_cdf(double x, double df) { return cdf(chi_squared(df), x); }
double chi_squared_upper_tail(double x, double df) { return cdf(complement(chi_squared(df), x)); }

double coin_cdf(double k, double n) { return cdf(binomial(n, 0.5), k); }

}  // namespace attnbench::stats
