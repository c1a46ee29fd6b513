// How often the method claims what is not so. A rate is accepted when it is not shown to be above 5 %, that
// is when the lower end of its 99.9 % interval is at most 5 %. A true rate of 8 % would hardly pass with the
// 2500 trials made here, 7 % hardly with 5000.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <vector>

#include "simulation/noise_model.h"
#include "simulation/rate.h"
#include "simulation/stopping_rule.h"
#include "stats/aa_gate.h"
#include "stats/best_set.h"
#include "stats/equivalence.h"
#include "stats/holm.h"
#include "stats/verdicts.h"

namespace attnbench::simulation {
namespace {

using stats::Verdict;
using Logs = std::vector<std::vector<double>>;

constexpr double kAllowed = 0.05;
constexpr int kBlocks = 30;
constexpr int kTrials = 5'000;

std::vector<NoiseModel> models() { return {normal_noise(), measured_noise(), skewed_noise()}; }

void expect_rare(const std::string& what, const Rate& rate) {
  report("errors: " + what, rate);
  EXPECT_LE(rate.low(), kAllowed) << what;
}

/// True log-ratios of a family, by cell. All kernels of a cell are measured in the same processes.
using Truth = std::vector<std::vector<double>>;

using Measure = std::function<Logs(const std::vector<double>& centres)>;

Measure with_processes(const NoiseModel& noise, int processes, SplitMix64& random) {
  return [&, processes](const auto& centres) {
    return simulate_cell(noise, centres, processes, kBlocks, random);
  };
}

Measure until_narrow(const NoiseModel& noise, SplitMix64& random) {
  return [&](const auto& centres) { return simulate_until_narrow(noise, centres, random); };
}

Logs measure_family(const Truth& truth, const Measure& measure) {
  Logs family;
  for (const auto& cell : truth) {
    std::vector<double> centres{1};
    for (const double log_ratio : cell) centres.push_back(std::exp(-log_ratio));
    for (auto& logs : measure(centres)) family.push_back(std::move(logs));
  }
  return family;
}

bool is_false(Verdict verdict, double log_ratio, double margin_ratio) {
  switch (verdict) {
    case Verdict::kEquivalent:
      return std::abs(log_ratio) >= std::log(margin_ratio) - 1e-12;
    case Verdict::kFaster:
      return log_ratio <= 0;
    case Verdict::kSlower:
      return log_ratio >= 0;
    case Verdict::kUnresolved:
      break;
  }
  return false;
}

/// Verdicts with Holm at the full level for each kind of test: 5 % for EQUIVALENT and another 5 % for FASTER
/// and SLOWER. Here only to show why judge_family halves them.
std::vector<Verdict> unhalved(const std::vector<stats::Judgement>& judged) {
  std::vector<double> difference, equivalence;
  for (const auto& judgement : judged) {
    difference.push_back(judgement.difference_p);
    equivalence.push_back(judgement.equivalence_p);
  }
  difference = stats::holm(difference);
  equivalence = stats::holm(equivalence);
  std::vector<Verdict> verdicts;
  for (std::size_t i = 0; i < judged.size(); ++i) {
    if (equivalence[i] <= kAllowed) {
      verdicts.push_back(Verdict::kEquivalent);
    } else if (difference[i] <= kAllowed) {
      verdicts.push_back(judged[i].ratio.estimate > 1 ? Verdict::kFaster : Verdict::kSlower);
    } else {
      verdicts.push_back(Verdict::kUnresolved);
    }
  }
  return verdicts;
}

struct FamilyErrors {
  Rate any, any_unhalved;
};

FamilyErrors family_errors(const Truth& truth, const Measure& measure, int trials) {
  std::vector<double> flat;
  for (const auto& cell : truth) flat.insert(flat.end(), cell.begin(), cell.end());
  FamilyErrors errors;
  for (int i = 0; i < trials; ++i) {
    const auto judged = stats::judge_family(measure_family(truth, measure));
    const auto other = unhalved(judged);
    bool any = false;
    bool any_unhalved = false;
    for (std::size_t k = 0; k < flat.size(); ++k) {
      any = any || is_false(judged[k].verdict, flat[k], judged[k].margin_ratio);
      any_unhalved = any_unhalved || is_false(other[k], flat[k], judged[k].margin_ratio);
    }
    errors.any.count(any);
    errors.any_unhalved.count(any_unhalved);
  }
  return errors;
}

const double kEdge = std::log(stats::kEquivalenceRatio);

TEST(ErrorRates, OneIdenticalKernel) {
  for (const auto& noise : models()) {
    for (const int processes : {5, 10, 30}) {
      SplitMix64 random(21);
      const auto errors = family_errors({{0}}, with_processes(noise, processes, random), kTrials);
      expect_rare(fmt::format("one identical kernel, {} noise, {} processes", noise.name, processes),
                  errors.any);
    }
  }
}

TEST(ErrorRates, FamilyOfIdenticalKernels) {
  const Truth truth(4, std::vector<double>(5, 0));
  for (const auto& noise : models()) {
    SplitMix64 random(22);
    expect_rare(fmt::format("20 identical kernels, {} noise, 10 processes", noise.name),
                family_errors(truth, with_processes(noise, 10, random), kTrials / 2).any);
  }
}

TEST(ErrorRates, FamilyOfIdenticalKernelsUnderTheStoppingRule) {
  const Truth truth(4, {0, 0});  // the first is the alias, which the rule looks at
  for (const auto& model : models()) {
    const auto noise = scaled_to_half_width(model, 0.015);
    SplitMix64 random(23);
    expect_rare(fmt::format("8 identical kernels, {} noise, stopping rule", noise.name),
                family_errors(truth, until_narrow(noise, random), kTrials / 2).any);
  }
}

// Half of the kernels exactly 2 % away, half identical: each kind of test meets true hypotheses. Over noise,
// since it takes some to be unsure of identity and little to be sure of equivalence.
TEST(ErrorRates, EdgeOfEquivalenceAndIdentical) {
  const Truth truth{{kEdge}, {-kEdge}, {kEdge}, {0}, {0}, {0}};
  double worst_unhalved = 0;
  for (const double half_width : {0.01, 0.02}) {
    const auto noise = scaled_to_half_width(normal_noise(), half_width);
    SplitMix64 random(24);
    const auto errors = family_errors(truth, with_processes(noise, 30, random), kTrials);
    const auto what =
        fmt::format("3 kernels 2 % off, 3 identical, 30 processes, +-{:.1f} % at 10", 100 * half_width);
    expect_rare(what, errors.any);
    report("  with 5 % for each kind of verdict", errors.any_unhalved);
    worst_unhalved = std::max(worst_unhalved, errors.any_unhalved.low());
  }
  EXPECT_GT(worst_unhalved, kAllowed) << "the halving would not be needed";
}

TEST(ErrorRates, AllOnTheEdgeOfEquivalence) {
  const Truth truth(2, {kEdge, -kEdge, kEdge, -kEdge, kEdge});
  for (const auto& model : models()) {
    const auto noise = scaled_to_half_width(model, 0.005);
    SplitMix64 random(25);
    expect_rare(fmt::format("10 kernels 2 % off, {} noise, 10 processes", model.name),
                family_errors(truth, with_processes(noise, 10, random), kTrials / 2).any);
  }
}

// Large differences are found first and leave Holm's procedure at its least strict for the others.
TEST(ErrorRates, LargeDifferencesBesideIdentical) {
  const Truth truth{{.5, -.3, 1, .2, 0}, {.7, -1, .4, .6, 0}, {.5, -.4, .9, 0, kEdge}};
  for (const auto& model : models()) {
    const auto noise = scaled_to_half_width(model, 0.02);
    SplitMix64 random(26);
    expect_rare(fmt::format("11 different, 1 edge, 3 identical, {} noise, 10 processes", model.name),
                family_errors(truth, with_processes(noise, 10, random), kTrials / 2).any);
  }
}

// The margin of fewer than ten processes: half of the kernels exactly 5 % away.
TEST(ErrorRates, EdgeOfTheWideMargin) {
  const double edge = std::log(stats::kWideEquivalenceRatio);
  const Truth truth(2, {edge, -edge, edge, 0, 0});
  for (const auto& model : models()) {
    const auto noise = scaled_to_half_width(model, 0.01);
    SplitMix64 random(29);
    expect_rare(fmt::format("6 kernels 5 % off, 4 identical, {} noise, 5 processes", model.name),
                family_errors(truth, with_processes(noise, 5, random), kTrials / 2).any);
  }
}

// A cell may be judged only where the baseline is shown to be within the margin of itself. How often is one
// judged whose alias truly lies on the margin, as a disturbed cell's would?
TEST(ErrorRates, AaEquivalenceOfACell) {
  for (const int processes : {5, 10}) {
    const double margin = stats::equivalence_margin(static_cast<std::size_t>(processes));
    for (const auto& model : models()) {
      const auto noise = scaled_to_half_width(model, 0.01);
      SplitMix64 random(30);
      Rate judged;
      for (int i = 0; i < kTrials; ++i) {
        const auto logs = simulate_cell(noise, std::vector{margin, 1.0}, processes, kBlocks, random);
        judged.count(stats::check_aa(logs)[0].equivalent);
      }
      expect_rare(fmt::format("a cell judged whose A/A ratio is {}, {} noise, {} processes", margin,
                              model.name, processes),
                  judged);
    }
  }
}

TEST(ErrorRates, AaGateOfAStudy) {
  constexpr int kCells = 8;
  for (const auto& model : models()) {
    const auto noise = scaled_to_half_width(model, 0.015);
    SplitMix64 random(27);
    const std::vector<std::pair<std::string, Measure>> designs{
        {"10 processes", with_processes(noise, 10, random)}, {"stopping rule", until_narrow(noise, random)}};
    for (const auto& [name, measure] : designs) {
      Rate alarms;
      for (int i = 0; i < kTrials / 2; ++i) {
        bool alarm = false;
        for (const auto& check : stats::check_aa(measure_family(Truth(kCells, {0}), measure))) {
          alarm = alarm || check.fails_gate;
        }
        alarms.count(alarm);
      }
      expect_rare(fmt::format("A/A gate, {} cells, {} noise, {}", kCells, model.name, name), alarms);
    }
  }
}

TEST(ErrorRates, BestSet) {
  for (const auto& model : models()) {
    const auto noise = scaled_to_half_width(model, 0.01);
    SplitMix64 random(28);
    const auto measure = with_processes(noise, 10, random);
    Rate winner_of_ties, best_excluded;
    for (int i = 0; i < kTrials; ++i) {
      winner_of_ties.count(stats::find_best_set(measure_family({{0, 0, 0, 0}}, measure)).has_winner());
      // Kernel 0 is the fastest, by little; one other is clearly slower.
      const auto best = stats::find_best_set(measure_family({{.002, 0, 0, -.05}}, measure)).members;
      best_excluded.count(std::find(best.begin(), best.end(), 0u) == best.end());
    }
    expect_rare(fmt::format("a winner among 4 equal kernels, {} noise", model.name), winner_of_ties);
    expect_rare(fmt::format("fastest kernel not in the best set, {} noise", model.name), best_excluded);
  }
}

// All statements of a study about equal kernels: a winner in any of them, or any set without one of them, is
// false. Two kernels a statement are the worst for a winner, more of them for a set. `each` judges every
// statement by itself, as if it were the only one.
TEST(ErrorRates, WinnersOfAStudy) {
  constexpr int kStatements = 44;
  const auto normal = Shape::normal();
  for (const std::size_t kernels : {2U, 3U, 8U}) {
    for (const bool one_is_noisy : {false, true}) {
      SplitMix64 random(31);
      const int studies = kernels > 3 ? 500 : 2'000;
      Rate winner, excluded, winner_of_each;
      for (int i = 0; i < studies; ++i) {
        std::vector<stats::Contest> study(kStatements, stats::Contest(kernels, std::vector<double>(10)));
        for (auto& contest : study) {
          for (std::size_t k = 0; k < kernels; ++k) {
            for (double& log_ratio : contest[k]) {
              log_ratio = (one_is_noisy && k == 0 ? 0.05 : 0.01) * normal.draw(random);
            }
          }
        }
        const auto has_winner = [](const stats::BestSet& best) { return best.has_winner(); };
        // All are equal; the one that counts as the fastest is the first.
        const auto lacks_first = [](const stats::BestSet& best) {
          return std::find(best.members.begin(), best.members.end(), 0U) == best.members.end();
        };
        const auto sets = stats::find_best_sets(study);
        winner.count(std::any_of(sets.begin(), sets.end(), has_winner));
        excluded.count(std::any_of(sets.begin(), sets.end(), lacks_first));
        if (kernels > 2) continue;
        winner_of_each.count(std::any_of(study.begin(), study.end(), [&](const auto& contest) {
          return has_winner(stats::find_best_set(contest));
        }));
      }
      const auto what = fmt::format("in 44 statements about {} equal kernels{}", kernels,
                                    one_is_noisy ? ", one of them noisy" : "");
      expect_rare("a winner " + what, winner);
      expect_rare("the fastest not in its set " + what, excluded);
      if (kernels > 2) continue;
      report("  a winner, each statement by itself, " + what, winner_of_each);
      EXPECT_GT(winner_of_each.low(), 0.8) << "the family would not be needed";
    }
  }
}

}  // namespace
}  // namespace attnbench::simulation
