#include "simulation/stopping_rule.h"

#include <cmath>

#include "stats/intervals.h"
#include "stats/process_value.h"
#include "stats/quantiles.h"

namespace attnbench::simulation {
namespace {

constexpr int kBlocks = 30;

double half_width(const std::vector<double>& logs) {
  return stats::relative_half_width(stats::ratio_interval(logs));
}

}  // namespace

bool is_narrow(std::span<const std::vector<double>> logs, const Profile& profile) {
  if (half_width(logs[0]) > profile.aa_half_width) return false;
  for (const auto& kernel : logs.subspan(1)) {
    if (half_width(kernel) > profile.ratio_half_width) return false;
  }
  return true;
}

std::vector<std::vector<double>> simulate_until_narrow(const NoiseModel& noise,
                                                       std::span<const double> centre_seconds,
                                                       SplitMix64& random, const Profile& profile,
                                                       std::size_t last) {
  std::vector<std::vector<double>> logs(centre_seconds.size() - 1);
  for (std::size_t l = 0; l < profile.processes.size() && l <= last; ++l) {
    const auto more =
        simulate_cell(noise, centre_seconds, profile.processes[l] - static_cast<int>(logs[0].size()),
                      profile.blocks, random);
    for (std::size_t k = 0; k < logs.size(); ++k)
      logs[k].insert(logs[k].end(), more[k].begin(), more[k].end());
    if (is_narrow(logs, profile)) break;
  }
  return logs;
}

NoiseModel scaled_to_half_width(const NoiseModel& noise, double half_width) {
  auto result = noise;
  for (int i = 0; i < 3; ++i) {  // not quite proportional: medians and logarithms
    SplitMix64 random(10);
    const auto logs = simulate_cell(result, std::vector{1.0, 1.0}, 4000, kBlocks, random)[0];
    const double found = stats::t_quantile(0.975, 9) * stats::standard_deviation(logs) / std::sqrt(10.0);
    result = result.scaled(half_width / found);
  }
  return result;
}

}  // namespace attnbench::simulation
