#include "claims/best_kernels.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "stats/best_set.h"
#include "stats/guarded_contrast.h"

namespace attnbench {
namespace {

using Kernels = std::vector<std::string>;

double at_most_one(double p) { return std::min(1.0, p); }

/// The names of a part against each other at its lengths.
class Contest {
 public:
  Contest(const PartSpec& spec, const Operands& operands) : operands_(operands) {
    for (const auto& name : spec.among) entrants_.push_back(operands.candidates(name));
  }

  std::size_t size() const { return entrants_.size(); }
  /// Some ratio that was asked for has processes with modes.
  bool has_modes() const { return modes_; }

  /// Some kernel of `entrant` is faster than all kernels of all others.
  double wins_p(std::size_t entrant, std::int64_t seqlen) const {
    double smallest = 1;
    for (const auto& kernel : entrants_[entrant]) {
      double largest = 0;
      for (std::size_t other = 0; other < size(); ++other) {
        if (other == entrant) continue;
        for (const auto& rival : entrants_[other])
          largest = std::max(largest, faster_p(kernel, rival, seqlen));
      }
      smallest = std::min(smallest, largest);
    }
    return at_most_one(static_cast<double>(entrants_[entrant].size()) * smallest);
  }

  /// Some kernel of another entrant is faster than all kernels of this one; `winner`: which, if any.
  double loses_p(std::size_t entrant, std::int64_t seqlen, std::string* winner = nullptr) const {
    double smallest = 1;
    double rivals = 0;
    for (std::size_t other = 0; other < size(); ++other) {
      if (other == entrant) continue;
      for (const auto& rival : entrants_[other]) {
        ++rivals;
        double largest = 0;
        for (const auto& kernel : entrants_[entrant])
          largest = std::max(largest, faster_p(rival, kernel, seqlen));
        if (largest >= smallest) continue;
        smallest = largest;
        if (winner != nullptr) *winner = rival;
      }
    }
    return at_most_one(rivals * smallest);
  }

  Kernels all() const {
    Kernels list;
    for (const auto& kernels : entrants_) list.insert(list.end(), kernels.begin(), kernels.end());
    return list;
  }

 private:
  /// p of kernel <= rival against kernel faster than rival.
  double faster_p(const std::string& kernel, const std::string& rival, std::int64_t seqlen) const {
    const auto [at, is_new] = known_.try_emplace({kernel, rival, seqlen}, 1.0);
    if (is_new) {
      const auto logs = operands_.log_ratios(kernel, rival, seqlen);
      if (!logs.empty()) {
        const auto log_speed = stats::guarded_mean(logs);
        at->second = log_speed.above_p();
        modes_ = modes_ || log_speed.with_modes;
      }
    }
    return at->second;
  }

  const Operands& operands_;
  std::vector<Kernels> entrants_;
  mutable bool modes_ = false;
  mutable std::map<std::tuple<std::string, std::string, std::int64_t>, double> known_;
};

/// Kernels that may be the fastest at a length, from the processes that have all of them; of published means
/// the one with the shortest.
ClaimPart::Best best_at(std::int64_t seqlen, const Kernels& kernels, const Operands& operands) {
  std::vector<std::map<int, double>> logs;
  std::map<int, std::size_t> counts;
  for (const auto& kernel : kernels) {
    logs.push_back(operands.process_log_ratios(kernel, kernels[0], seqlen));
    for (const auto& [process, log] : logs.back()) ++counts[process];
  }
  std::vector<std::vector<double>> complete(kernels.size());
  for (const auto& [process, count] : counts) {
    if (count < kernels.size()) continue;
    for (std::size_t i = 0; i < kernels.size(); ++i) complete[i].push_back(logs[i].at(process));
  }
  ClaimPart::Best best{seqlen, {}};
  if (complete[0].empty()) return best;
  for (const auto index : stats::find_best_set(complete).members) best.kernels.push_back(kernels[index]);
  if (complete[0].size() < 2) best.kernels.resize(1);
  return best;
}

}  // namespace

void weigh_best_set(const PartSpec& spec, const Operands& operands, Evidence& evidence) {
  const Contest contest(spec, operands);
  auto& best = evidence.part.best;
  if (!spec.kernel.empty()) {
    const auto at = std::find(spec.among.begin(), spec.among.end(), spec.kernel);
    const auto entrant = static_cast<std::size_t>(at - spec.among.begin());
    evidence.p_as_published = contest.wins_p(entrant, spec.seqlen);
    evidence.p_opposite = contest.loses_p(entrant, spec.seqlen, &evidence.part.winner);
    evidence.part.modes = contest.has_modes();
    best.push_back(best_at(spec.seqlen, contest.all(), operands));
    return;
  }
  // Each entrant is beaten somewhere: the largest over entrants of the smallest over lengths.
  const auto lengths = static_cast<double>(spec.seqlens.size());
  double beaten = 0;
  double unbeaten = 1;
  for (std::size_t entrant = 0; entrant < contest.size(); ++entrant) {
    double loses = 1;
    double wins = 0;
    for (const auto seqlen : spec.seqlens) {
      loses = std::min(loses, contest.loses_p(entrant, seqlen));
      wins = std::max(wins, contest.wins_p(entrant, seqlen));
    }
    beaten = std::max(beaten, at_most_one(lengths * loses));
    if (wins < unbeaten) {
      unbeaten = wins;
      const auto& kernels = operands.candidates(spec.among[entrant]);
      evidence.part.winner = kernels.size() == 1 ? kernels[0] : spec.among[entrant];
    }
  }
  evidence.part.modes = contest.has_modes();
  evidence.p_as_published = beaten;
  evidence.p_opposite = at_most_one(static_cast<double>(contest.size()) * unbeaten);
  for (const auto seqlen : spec.seqlens) best.push_back(best_at(seqlen, contest.all(), operands));
  const auto& first = best.front().kernels;
  const bool is_one = first.size() == 1 && std::all_of(best.begin(), best.end(),
                                                       [&](const auto& at) { return at.kernels == first; });
  if (is_one) evidence.part.winner = first[0];
}

}  // namespace attnbench
