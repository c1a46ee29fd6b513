#include "simulation/rate.h"

#include <fmt/format.h>

#include <boost/math/distributions/binomial.hpp>
#include <cstdio>

namespace attnbench::simulation {
namespace {

constexpr double kTail = 0.0005;

}  // namespace

double Rate::low() const {
  return boost::math::binomial::find_lower_bound_on_p(static_cast<double>(trials_),
                                                      static_cast<double>(events_), kTail);
}

double Rate::high() const {
  return boost::math::binomial::find_upper_bound_on_p(static_cast<double>(trials_),
                                                      static_cast<double>(events_), kTail);
}

std::string Rate::text() const {
  return fmt::format("{:6.2f} % [{:.2f}, {:.2f}] of {}", 100 * value(), 100 * low(), 100 * high(), trials_);
}

void report(const std::string& what, const Rate& rate) {
  fmt::print("{:<92} {}\n", what, rate.text());
  std::fflush(stdout);
}

}  // namespace attnbench::simulation
