#include "stats/quantiles.h"

#include <boost/math/distributions/binomial.hpp>
#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/non_central_t.hpp>
#include <boost/math/distributions/students_t.hpp>

namespace attnbench::stats {

using boost::math::chi_squared;
using boost::math::non_central_t;
using boost::math::students_t;

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

double coin_cdf(double k, double n) { return cdf(boost::math::binomial(n, 0.5), k); }

}  // namespace attnbench::stats
