#include "tune/evidence.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "io/json.h"

namespace attnbench {

CostModel::Prediction mean_over_processes(std::span<const double> log_seconds) {
  constexpr double kSupposedProcesses = 2, kSupposedDifference = 0.03;
  const auto n = static_cast<double>(log_seconds.size());
  double mean = 0, squares = 0;
  for (const double value : log_seconds) mean += value / n;
  for (const double value : log_seconds) squares += (value - mean) * (value - mean);
  const double variance = (squares + kSupposedProcesses * kSupposedDifference * kSupposedDifference) /
                          (n - 1 + kSupposedProcesses);
  return {mean, std::sqrt(variance / n)};
}

void Evidence::add(const std::string& kernel, const Problem& problem, int threads, double seconds) {
  auto& entry = entries_[fmt::format("{} {} {}", kernel, threads, json_text(to_json(problem)))];
  entry.cost.kernel = kernel;
  entry.cost.problem = problem;
  entry.cost.threads = threads;
  entry.log_seconds.push_back(std::log(seconds));
}

void Evidence::add(const Evidence& other) {
  for (const auto& [key, entry] : other.entries_) {
    auto& own = entries_[key];
    own.cost = entry.cost;
    own.log_seconds.insert(own.log_seconds.end(), entry.log_seconds.begin(), entry.log_seconds.end());
  }
}

std::vector<MeasuredCost> Evidence::costs() const {
  std::vector<MeasuredCost> costs;
  for (const auto& [key, entry] : entries_) {
    const auto mean = mean_over_processes(entry.log_seconds);
    costs.push_back(entry.cost);
    costs.back().seconds = std::exp(mean.log_seconds);
    costs.back().log_error = mean.log_error;
    costs.back().processes = static_cast<int>(entry.log_seconds.size());
  }
  return costs;
}

}  // namespace attnbench
