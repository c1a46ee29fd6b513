#include "dispatch/cost_book.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "attnbench/registry.h"
#include "core/kernel_name.h"

namespace attnbench {
namespace {

/// Null where none of that name computes the mechanism.
const KernelInfo* kernel_named(const std::string& name, MechanismKind kind) {
  for (const auto* kernel : kernels()) {
    if (computes(*kernel, kind) &&
        implementation_name(kernel->kernel(), kernel->engine(), kernel->path()) == name)
      return kernel;
  }
  return nullptr;
}

/// At most as many points as a model takes, evenly out of all.
std::vector<CostPoint> thinned(std::vector<CostPoint> points) {
  if (points.size() <= CostModel::kMostPoints) return points;
  std::vector<CostPoint> kept;
  for (std::size_t i = 0; i < CostModel::kMostPoints; ++i)
    kept.push_back(points[i * points.size() / CostModel::kMostPoints]);
  return kept;
}

}  // namespace

CostBook::CostBook(const CostProfile& profile, const Device& device) {
  for (const auto& entry : profile.verified) {
    if (const auto* kernel = kernel_named(entry.kernel, entry.kind.mechanism))
      verified_[entry.kind][kernel] = {entry.deterministic};
  }
  using PointsByThreads = std::map<int, std::vector<CostPoint>>;
  std::map<std::pair<const KernelInfo*, ProblemKind>, std::map<Parameters, PointsByThreads>> points;
  for (const auto& entry : profile.costs) {
    const auto* kernel = kernel_named(entry.kernel, entry.problem.mechanism.kind);
    if (kernel == nullptr || !kernel->supports(entry.problem, device)) continue;
    auto& of_kind = points[{kernel, kind_of(entry.problem)}];
    of_kind[parameters_of(entry.problem)][entry.threads].push_back(
        {cost_work_of(entry.problem), coordinates_of(entry.problem), std::log(entry.seconds),
         entry.log_error});
  }
  for (const auto& [key, by_parameters] : points) {
    PointsByThreads all;
    for (const auto& [parameters, by_threads] : by_parameters) {
      for (const auto& [threads, some] : by_threads) {
        auto& of_threads = all[threads];
        of_threads.insert(of_threads.end(), some.begin(), some.end());
        if (by_parameters.size() > 1)
          models_of_parameters_[{key.first, key.second, parameters}].emplace(threads,
                                                                             CostModel(thinned(some)));
      }
    }
    for (auto& [threads, of_threads] : all)
      models_[key].emplace(threads, CostModel(thinned(std::move(of_threads))));
  }
}

CostBook::Parameters CostBook::parameters_of(const Problem& problem) {
  const auto& m = problem.mechanism;
  return {m.window, m.block_size, m.globals, m.num_kv_heads < problem.shape.num_q_heads ? 1 : 0};
}

std::optional<CostBook::Verdict> CostBook::verified(const KernelInfo& kernel, const ProblemKind& kind) const {
  const auto of_kind = verified_.find(kind);
  if (of_kind == verified_.end()) return std::nullopt;
  const auto found = of_kind->second.find(&kernel);
  if (found == of_kind->second.end()) return std::nullopt;
  return found->second;
}

CostBook::Cost CostBook::cost(const KernelInfo& kernel, const Problem& problem, int threads) const {
  const auto kind = kind_of(problem);
  const auto own = models_of_parameters_.find({&kernel, kind, parameters_of(problem)});
  if (own != models_of_parameters_.end()) {
    if (const auto cost = cost_by(own->second, problem, threads); cost.time) return cost;
  }
  const auto models = models_.find({&kernel, kind});
  return models == models_.end() ? Cost{} : cost_by(models->second, problem, threads);
}

CostBook::Cost CostBook::cost_by(const ByThreads& models, const Problem& problem, int threads) {
  const auto above = models.lower_bound(threads);
  if (above == models.end()) return {};
  const auto work = cost_work_of(problem);
  const auto at = coordinates_of(problem);
  if (!above->second.covers(at)) return {std::nullopt, true};
  const auto upper = above->second.predict(work, at);
  if (above->first == threads) return {upper, false};
  if (above == models.begin()) return {};
  const auto below = std::prev(above);
  if (!below->second.covers(at)) return {std::nullopt, true};
  const auto lower = below->second.predict(work, at);
  const double share = std::log(static_cast<double>(threads) / below->first) /
                       std::log(static_cast<double>(above->first) / below->first);
  return {CostModel::Prediction{lower.log_seconds + share * (upper.log_seconds - lower.log_seconds),
                                std::max(lower.log_error, upper.log_error)},
          false};
}

}  // namespace attnbench
