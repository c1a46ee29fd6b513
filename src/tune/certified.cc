#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "tune/certify.h"

namespace attnbench {
namespace {

stats::RegretCase case_of(const CertifiedProblem& problem, const std::vector<std::vector<double>>& seconds) {
  stats::RegretCase regret_case;
  regret_case.chosen = problem.chosen;
  regret_case.weight = problem.held_out.weight;
  for (const auto& of_kernel : seconds) {
    auto& logs = regret_case.log_seconds.emplace_back();
    for (const double time : of_kernel) logs.push_back(std::log(time));
  }
  return regret_case;
}

}  // namespace

stats::RegretCase CertifiedProblem::regret_case() const { return case_of(*this, seconds); }
stats::RegretCase CertifiedProblem::regret_case_again() const { return case_of(*this, seconds_again); }

Certified certified(const std::vector<CertifiedProblem>& problems) {
  Certified all;
  std::vector<stats::RegretCase> cases;
  std::vector<std::size_t> standard;
  std::vector<double> regrets;
  std::set<std::string> names;
  for (const auto& problem : problems) {
    cases.push_back(problem.regret_case());
    standard.push_back(problem.standard);
    regrets.push_back(stats::regret_of(cases.back()).cross_fitted);
    all.other_choices += problem.chosen != problem.standard ? 1 : 0;
    names.insert(problem.kernels.begin(), problem.kernels.end());
  }
  all.regret = stats::summarise_regret(cases, std::log(kShownRatio));
  all.slower_than_default = stats::shown_slower_than(cases, standard);
  all.fixed.assign(names.begin(), names.end());
  std::vector<std::vector<std::size_t>> fixed;
  for (const auto& name : all.fixed) {
    auto& choice = fixed.emplace_back();
    for (const auto& problem : problems) {
      const auto found = std::find(problem.kernels.begin(), problem.kernels.end(), name);
      choice.push_back(found == problem.kernels.end()
                           ? problem.standard
                           : static_cast<std::size_t>(found - problem.kernels.begin()));
    }
  }
  all.gain = stats::gain_over_fixed(cases, fixed);
  const std::vector<std::vector<std::size_t>> always_the_default = {standard};
  all.gain_over_default = stats::gain_over_fixed(cases, always_the_default).ratio;
  all.worst.resize(problems.size());
  std::iota(all.worst.begin(), all.worst.end(), std::size_t{0});
  std::stable_sort(all.worst.begin(), all.worst.end(),
                   [&](std::size_t a, std::size_t b) { return regrets[a] > regrets[b]; });
  all.worst.resize(std::min(all.worst.size(), kWorst));
  return all;
}

}  // namespace attnbench
