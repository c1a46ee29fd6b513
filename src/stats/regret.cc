#include "stats/regret.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "attnbench/error.h"
#include "stats/holm.h"
#include "stats/quantiles.h"

namespace attnbench::stats {
namespace {

/// Mean of every second value from `first` on; of all with step 1.
double mean_of(const std::vector<double>& values, std::size_t first, std::size_t step) {
  double sum = 0, count = 0;
  for (std::size_t i = first; i < values.size(); i += step, ++count) sum += values[i];
  return sum / count;
}

std::size_t best_of(const RegretCase& problem, std::size_t first, std::size_t step) {
  std::size_t best = 0;
  for (std::size_t k = 1; k < problem.log_seconds.size(); ++k) {
    if (mean_of(problem.log_seconds[k], first, step) < mean_of(problem.log_seconds[best], first, step))
      best = k;
  }
  return best;
}

void check(const RegretCase& problem) {
  if (!(problem.weight > 0) || !std::isfinite(problem.weight))
    throw InputError("weight", fmt::format("{}", problem.weight), "is not a positive number");
  if (problem.chosen >= problem.log_seconds.size())
    throw InputError("chosen", fmt::format("{}", problem.chosen),
                     fmt::format("is none of {} kernels", problem.log_seconds.size()));
  for (const auto& times : problem.log_seconds) {
    if (times.size() < 2 || times.size() != problem.log_seconds.front().size())
      throw InputError("log_seconds", fmt::format("{} processes", times.size()),
                       "are fewer than two, or not those of the other kernels");
  }
}

/// That the chosen kernel takes more than exp(log_band) times as long as the other.
double p_value(const std::vector<double>& chosen, const std::vector<double>& other, double log_band) {
  std::vector<double> differences;
  for (std::size_t i = 0; i < chosen.size(); ++i) differences.push_back(chosen[i] - other[i] - log_band);
  const double average = mean(differences);
  const double error = standard_deviation(differences) / std::sqrt(static_cast<double>(differences.size()));
  if (error == 0) return average > 0 ? 0 : 1;
  return t_upper_tail(average / error, static_cast<double>(differences.size()) - 1);
}

/// Of values of independent problems; so many equal weights would tell as much (Kish 1965, "Survey
/// Sampling").
Interval weighted_mean(std::span<const double> values, std::span<const double> weights) {
  double sum = 0, squared = 0;
  Interval interval{0, 0, 0};
  for (std::size_t i = 0; i < values.size(); ++i) {
    sum += weights[i];
    squared += weights[i] * weights[i];
    interval.estimate += weights[i] * values[i];
  }
  interval.estimate /= sum;
  const double effective = sum * sum / squared;
  double variance = 0;
  for (std::size_t i = 0; i < values.size(); ++i)
    variance += weights[i] / sum * std::pow(values[i] - interval.estimate, 2);
  double half_width = std::numeric_limits<double>::infinity();
  if (effective > 1 + 1e-9)
    half_width = t_quantile(0.5 + kConfidence / 2, effective - 1) * std::sqrt(variance / (effective - 1));
  interval.low = interval.estimate - half_width;
  interval.high = interval.estimate + half_width;
  return interval;
}

std::vector<double> weights_of(std::span<const RegretCase> problems) {
  std::vector<double> weights;
  for (const auto& problem : problems) weights.push_back(problem.weight);
  return weights;
}

}  // namespace

Regret regret_of(const RegretCase& problem) {
  check(problem);
  const auto& times = problem.log_seconds;
  const auto& own = times[problem.chosen];
  Regret regret;
  regret.naive = mean_of(own, 0, 1) - mean_of(times[best_of(problem, 0, 1)], 0, 1);
  for (const std::size_t half : {std::size_t{0}, std::size_t{1}}) {
    const auto best = best_of(problem, half, 2);
    regret.cross_fitted += (mean_of(own, 1 - half, 2) - mean_of(times[best], 1 - half, 2)) / 2;
  }
  return regret;
}

Interval cross_fitted_interval(const RegretCase& problem) {
  check(problem);
  const auto& own = problem.log_seconds[problem.chosen];
  double estimate = 0, squares = 0, per_variance = 0;
  for (std::size_t half : {std::size_t{0}, std::size_t{1}}) {
    const auto& picked = problem.log_seconds[best_of(problem, half, 2)];
    std::vector<double> differences;
    for (std::size_t i = 1 - half; i < own.size(); i += 2) differences.push_back(own[i] - picked[i]);
    const double average = mean(differences);
    estimate += average / 2;
    for (const double difference : differences) squares += std::pow(difference - average, 2);
    per_variance += 1 / (4 * static_cast<double>(differences.size()));
  }
  const double freedom = static_cast<double>(own.size()) - 2;
  double half_width = std::numeric_limits<double>::infinity();
  if (freedom > 0)
    half_width = t_quantile(0.5 + kConfidence / 2, freedom) * std::sqrt(squares / freedom * per_variance);
  return {estimate, estimate - half_width, estimate + half_width};
}

RegretSummary summarise_regret(std::span<const RegretCase> problems, double log_band) {
  if (problems.empty()) throw InputError("problems", "none", "are where some are needed");
  RegretSummary summary;
  std::vector<double> losses, naive, differences, p_values;
  std::vector<std::size_t> owner;
  for (std::size_t i = 0; i < problems.size(); ++i) {
    const auto& problem = problems[i];
    const auto regret = regret_of(problem);
    losses.push_back(std::expm1(regret.cross_fitted));
    naive.push_back(std::expm1(regret.naive));
    const auto& own = problem.log_seconds[problem.chosen];
    differences.push_back(std::abs(mean_of(own, 0, 2) - mean_of(own, 1, 2)));
    for (std::size_t k = 0; k < problem.log_seconds.size(); ++k) {
      if (k == problem.chosen) continue;
      p_values.push_back(p_value(own, problem.log_seconds[k], log_band));
      owner.push_back(i);
    }
  }
  const auto weights = weights_of(problems);
  summary.cross_fitted = weighted_mean(losses, weights);
  summary.naive = weighted_mean(naive, weights);
  summary.half_difference = median(differences);
  const auto adjusted = holm(p_values);
  for (std::size_t i = 0; i < adjusted.size(); ++i) {
    if (adjusted[i] <= 1 - kConfidence && (summary.shown.empty() || summary.shown.back() != owner[i]))
      summary.shown.push_back(owner[i]);
  }
  return summary;
}

std::vector<std::size_t> shown_slower_than(std::span<const RegretCase> problems,
                                           std::span<const std::size_t> standard) {
  std::vector<double> p_values;
  std::vector<std::size_t> owner, slower;
  for (std::size_t i = 0; i < problems.size(); ++i) {
    check(problems[i]);
    if (problems[i].chosen == standard[i]) continue;
    const auto& times = problems[i].log_seconds;
    p_values.push_back(p_value(times[problems[i].chosen], times[standard[i]], 0));
    owner.push_back(i);
  }
  const auto adjusted = holm(p_values);
  for (std::size_t i = 0; i < adjusted.size(); ++i) {
    if (adjusted[i] <= 1 - kConfidence) slower.push_back(owner[i]);
  }
  return slower;
}

FixedChoiceGain gain_over_fixed(std::span<const RegretCase> problems,
                                std::span<const std::vector<std::size_t>> fixed) {
  if (problems.empty() || fixed.empty())
    throw InputError("problems, fixed choices", "none", "are where some are needed");
  const auto weights = weights_of(problems);
  FixedChoiceGain gain;
  std::vector<double> log_ratios(problems.size());
  for (const std::size_t half : {std::size_t{0}, std::size_t{1}}) {
    double least = std::numeric_limits<double>::infinity();
    for (std::size_t f = 0; f < fixed.size(); ++f) {
      double sum = 0;
      for (std::size_t i = 0; i < problems.size(); ++i)
        sum += weights[i] * mean_of(problems[i].log_seconds[fixed[f][i]], half, 2);
      if (sum < least) {
        least = sum;
        gain.best[half] = f;
      }
    }
    for (std::size_t i = 0; i < problems.size(); ++i) {
      check(problems[i]);
      const auto& times = problems[i].log_seconds;
      log_ratios[i] += (mean_of(times[fixed[gain.best[half]][i]], 1 - half, 2) -
                        mean_of(times[problems[i].chosen], 1 - half, 2)) /
                       2;
    }
  }
  gain.ratio = exponential(weighted_mean(log_ratios, weights));
  return gain;
}

}  // namespace attnbench::stats
