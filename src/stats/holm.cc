#include "stats/holm.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "attnbench/error.h"

namespace attnbench::stats {

std::vector<double> holm(std::span<const double> p_values) {
  for (const double p : p_values) {
    if (!(p >= 0 && p <= 1)) throw InputError("p", fmt::format("{}", p), "is no probability");
  }
  std::vector<std::size_t> ascending(p_values.size());
  std::iota(ascending.begin(), ascending.end(), std::size_t{0});
  std::sort(ascending.begin(), ascending.end(),
            [&](std::size_t a, std::size_t b) { return p_values[a] < p_values[b]; });
  std::vector<double> adjusted(p_values.size());
  double largest = 0;
  for (std::size_t rank = 0; rank < ascending.size(); ++rank) {
    const auto hypotheses_left = static_cast<double>(ascending.size() - rank);
    largest = std::max(largest, std::min(1.0, hypotheses_left * p_values[ascending[rank]]));
    adjusted[ascending[rank]] = largest;
  }
  return adjusted;
}

}  // namespace attnbench::stats
