#include "stats/best_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "attnbench/error.h"
#include "stats/contrast.h"
#include "stats/holm.h"
#include "stats/verdicts.h"

namespace attnbench::stats {

BestSet find_best_set(std::span<const std::vector<double>> process_log_ratios) {
  if (process_log_ratios.empty()) throw InputError("kernels", "", "has no entries");
  const std::size_t processes = process_log_ratios[0].size();
  std::vector<double> means;
  for (const auto& logs : process_log_ratios) {
    if (logs.size() != processes) {
      throw InputError("processes", fmt::format("{}", logs.size()),
                       fmt::format("where another kernel has {}", processes));
    }
    means.push_back(sample_mean(logs).mean);
  }
  std::vector<std::size_t> order(means.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return means[a] > means[b]; });
  if (processes < kFewestProcesses) return {order};

  const auto& leader = process_log_ratios[order[0]];
  std::vector<double> p_values;
  for (std::size_t rank = 1; rank < order.size(); ++rank) {
    std::vector<double> lead;
    for (std::size_t p = 0; p < processes; ++p) {
      lead.push_back(leader[p] - process_log_ratios[order[rank]][p]);
    }
    p_values.push_back(estimate(sample_mean(lead)).two_sided_p());
  }
  const auto adjusted = holm(p_values);
  BestSet best{{order[0]}};
  for (std::size_t rank = 1; rank < order.size(); ++rank) {
    if (adjusted[rank - 1] > kFamilyError) best.members.push_back(order[rank]);
  }
  return best;
}

}  // namespace attnbench::stats
