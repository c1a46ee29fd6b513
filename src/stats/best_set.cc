#include "stats/best_set.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>

#include "attnbench/error.h"
#include "stats/contrast.h"
#include "stats/holm.h"
#include "stats/verdicts.h"

namespace attnbench::stats {
namespace {

/// Kernels by falling mean, and the leader's lead over each other one.
struct Standings {
  std::vector<std::size_t> order;
  std::vector<double> lead_p;  ///< of the second, third, ..: two-sided
};

Standings standings_of(const Contest& contest) {
  if (contest.empty()) throw InputError("kernels", "", "has no entries");
  const std::size_t processes = contest[0].size();
  std::vector<double> means;
  for (const auto& logs : contest) {
    if (logs.size() != processes) {
      throw InputError("processes", fmt::format("{}", logs.size()),
                       fmt::format("where another kernel has {}", processes));
    }
    means.push_back(sample_mean(logs).mean);
  }
  Standings standings{std::vector<std::size_t>(means.size()), {}};
  auto& order = standings.order;
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](auto a, auto b) { return means[a] > means[b]; });
  for (std::size_t rank = 1; rank < order.size(); ++rank) {
    std::vector<double> lead;
    for (std::size_t p = 0; p < processes; ++p)
      lead.push_back(contest[order[0]][p] - contest[order[rank]][p]);
    const bool enough = processes >= kFewestProcesses;
    standings.lead_p.push_back(enough ? estimate(sample_mean(lead)).two_sided_p() : 1);
  }
  return standings;
}

double largest(const std::vector<double>& p_values) {
  return p_values.empty() ? 0 : *std::max_element(p_values.begin(), p_values.end());
}

}  // namespace

std::vector<BestSet> find_best_sets(std::span<const Contest> contests,
                                    std::span<const std::vector<bool>> shown_slower) {
  std::vector<Standings> all;
  std::vector<double> winner_p;
  for (const auto& contest : contests) {
    all.push_back(standings_of(contest));
    winner_p.push_back(largest(all.back().lead_p));
  }
  const auto winner_p_adjusted = holm(winner_p);
  std::vector<BestSet> sets;
  for (std::size_t c = 0; c < all.size(); ++c) {
    const auto& [order, lead_p] = all[c];
    BestSet best{{order[0]}, 1, winner_p_adjusted[c]};
    bool any_excluded = false;
    const auto excluding_p = holm(lead_p);
    const auto contests_in_all = static_cast<double>(contests.size());
    for (std::size_t rank = 1; rank < order.size(); ++rank) {
      const bool excluded = best.winner_p_adjusted <= kFamilyError ||
                            contests_in_all * excluding_p[rank - 1] <= kFamilyError ||
                            (!shown_slower.empty() && shown_slower[c][order[rank]]);
      any_excluded |= excluded;
      if (excluded) continue;
      best.members.push_back(order[rank]);
      if (!any_excluded) ++best.leading;
    }
    sets.push_back(std::move(best));
  }
  return sets;
}

BestSet find_best_set(const Contest& contest) { return find_best_sets(std::span(&contest, 1))[0]; }

}  // namespace attnbench::stats
