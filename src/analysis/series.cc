#include "analysis/series.h"

#include <algorithm>

#include "analysis/kernel_work.h"
#include "analysis/process_times.h"

namespace attnbench {
namespace {

/// The kernels that are ok anywhere in the group, canonical order.
std::vector<KernelRecord> kernels_of(const GroupAnalysis& group) {
  std::vector<KernelRecord> kernels;
  for (const auto& cell : group.cells) {
    for (const auto& k : cell.kernels) {
      const bool known = std::any_of(kernels.begin(), kernels.end(),
                                     [&](const auto& other) { return other.id() == k.id(); });
      if (k.ok() && !known) kernels.push_back(k.kernel);
    }
  }
  std::stable_sort(kernels.begin(), kernels.end(), canonically_before);
  return kernels;
}

/// Lengths where the kernel is ok and is not itself the baseline; none where they are not all compared with
/// one baseline.
std::vector<stats::SizePoint> ratio_points(const GroupAnalysis& group, const std::string& id) {
  std::vector<stats::SizePoint> points;
  std::string baseline;
  for (const auto& cell : group.cells) {
    const auto* k = cell.find(id);
    if (k == nullptr || !k->ratio || id == cell.baseline) continue;
    if (!points.empty() && cell.baseline != baseline) return {};
    baseline = cell.baseline;
    points.push_back({static_cast<double>(cell.seqlen()), log_ratios(k->by_process)});
  }
  return points;
}

CrossoverAnalysis crossover(std::span<const stats::SizePoint> points, bool published) {
  const auto found = stats::find_crossover(points);
  CrossoverAnalysis result{found.estimates, std::nullopt};
  if (!published) result.ranges = found.ranges;
  return result;
}

}  // namespace

std::vector<SeriesAnalysis> analyze_series(const GroupAnalysis& group, bool published) {
  std::vector<SeriesAnalysis> list;
  for (const auto& kernel : kernels_of(group)) {
    const auto id = kernel.id();
    std::vector<stats::SizePoint> points;
    for (const auto& cell : group.cells) {
      const auto* k = cell.find(id);
      if (k != nullptr && k->ok())
        points.push_back({static_cast<double>(cell.seqlen()), log_seconds(k->by_process)});
    }
    if (points.size() < 2) continue;
    SeriesAnalysis series;
    series.kernel_id = id;
    series.theory = theoretical_exponent(group.first(), kernel);
    series.power_law = stats::fit_power_law(points);
    series.steps = stats::step_ratios(points);
    if (const auto ratios = ratio_points(group, id); ratios.size() >= 2)
      series.crossover = crossover(ratios, published);
    list.push_back(std::move(series));
  }
  return list;
}

}  // namespace attnbench
