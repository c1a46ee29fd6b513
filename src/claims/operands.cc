#include "claims/operands.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "analysis/process_times.h"
#include "attnbench/error.h"
#include "plan/study.h"

namespace attnbench {
namespace {

/// Kernels of the group that a selector matches, of one engine where it is named; in canonical order.
std::vector<const KernelRecord*> matches(const GroupAnalysis& group, const std::string& selector,
                                         std::string_view engine) {
  std::vector<const KernelRecord*> found;
  std::set<std::string> seen;
  for (const auto& cell : group.cells) {
    for (const auto& kernel : cell.kernels) {
      const auto id = kernel.id();
      if (!engine.empty() && kernel.kernel.engine != engine) continue;
      if (kernel_matches(selector, id) && seen.insert(id).second) found.push_back(&kernel.kernel);
    }
  }
  return found;
}

/// Null without one.
const KernelRecord* baseline_of(const GroupAnalysis& group) {
  for (const auto& cell : group.cells) {
    for (const auto& kernel : cell.kernels) {
      if (kernel.kernel.is_baseline) return &kernel.kernel;
    }
  }
  return nullptr;
}

/// Id of the kernel that does by products in f32 what the selector's `unfused` kernel on the baseline's
/// engine would do; empty where that engine's baseline is no such one.
std::string stand_in(const GroupAnalysis& group, const std::string& selector, const KernelRecord* baseline) {
  constexpr std::string_view kStandsIn = "unfused_f32", kStoodFor = "unfused";
  if (baseline == nullptr || baseline->kernel != kStandsIn) return {};
  for (const auto& cell : group.cells) {
    for (const auto& kernel : cell.kernels) {
      auto record = kernel.kernel;
      if (record.kernel != kStandsIn || record.engine != baseline->engine) continue;
      record.kernel = kStoodFor;
      if (kernel_matches(selector, record.id())) return kernel.id();
    }
  }
  return {};
}

}  // namespace

std::vector<std::int64_t> lengths_of(const Claim& claim) {
  std::set<std::int64_t> all;
  for (const auto* parts : {&claim.headline.parts, &claim.details}) {
    for (const auto& part : *parts) {
      const auto lengths = part.lengths();
      all.insert(lengths.begin(), lengths.end());
    }
  }
  return {all.begin(), all.end()};
}

Operands::Operands(const Claim& claim, const GroupAnalysis& group, Form form, std::string_view only)
    : group_(group), selectors_(claim.kernels) {
  if (form == Form::best) {
    for (const auto& [name, selector] : claim.best) selectors_[name] = selector;
  }
  const auto* baseline = baseline_of(group);
  const auto engine = baseline == nullptr ? "" : baseline->engine;
  const bool may_stand_in = only.empty() || only == engine;
  for (const auto& [name, selector] : selectors_) {
    auto& candidates = candidates_[name];
    auto& chosen = chosen_[name];
    const auto found = matches(group, selector, only);
    if (form == Form::best && claim.best.contains(name)) {
      for (const auto* kernel : found) candidates.push_back(kernel->id());
      choose_fastest(name, lengths_of(claim));
      continue;
    }
    if (!found.empty()) {
      const auto same_engine = std::find_if(found.begin(), found.end(),
                                            [&](const auto* kernel) { return kernel->engine == engine; });
      chosen = (same_engine != found.end() ? *same_engine : found.front())->id();
    }
    if (may_stand_in && !is_measured(chosen)) {
      if (auto other = stand_in(group, selector, baseline); is_measured(other)) {
        stand_ins_.push_back(fmt::format("{} for {}", other, selector));
        chosen = std::move(other);
      }
    }
    if (!chosen.empty()) candidates = {chosen};
  }
}

bool Operands::is_measured(const std::string& kernel_id) const {
  return std::any_of(group_.cells.begin(), group_.cells.end(), [&](const auto& cell) {
    const auto* kernel = cell.find(kernel_id);
    return kernel != nullptr && kernel->ok();
  });
}

void Operands::choose_fastest(const std::string& name, const std::vector<std::int64_t>& seqlens) {
  auto& candidates = candidates_[name];
  std::map<std::string, std::vector<double>> logs;
  std::size_t most = 0;
  for (const auto& id : candidates) {
    for (const auto seqlen : seqlens) {
      if (const auto* kernel = find(id, seqlen); kernel && kernel->ok() && kernel->unranked.empty())
        logs[id].push_back(std::log(kernel->seconds->estimate));
    }
    most = std::max(most, logs[id].size());
  }
  std::erase_if(candidates, [&](const auto& id) { return logs[id].size() < most; });
  if (candidates.empty()) return;
  chosen_[name] = *std::min_element(candidates.begin(), candidates.end(), [&](const auto& a, const auto& b) {
    return stats::mean(logs[a]) < stats::mean(logs[b]);
  });
}

const KernelAnalysis* Operands::find(const std::string& kernel_id, std::int64_t seqlen) const {
  const auto* cell = group_.at(seqlen);
  return cell == nullptr ? nullptr : cell->find(kernel_id);
}

std::string Operands::missing(const std::string& name, std::int64_t seqlen) const {
  const auto* cell = group_.at(seqlen);
  if (cell == nullptr) return fmt::format("no cell at N = {}", seqlen);
  const auto& id = chosen_.at(name);
  const auto* kernel = id.empty() ? nullptr : cell->find(id);
  if (kernel == nullptr) return fmt::format("no {} at N = {}", selectors_.at(name), seqlen);
  if (!kernel->ok()) return fmt::format("{} at N = {}: {}: {}", id, seqlen, kernel->status, kernel->reason);
  return {};
}

std::string Operands::unranked(const std::string& name, std::int64_t seqlen) const {
  const auto* kernel = find(chosen_.at(name), seqlen);
  if (kernel == nullptr || kernel->unranked.empty()) return {};
  return fmt::format("{} at N = {} is not ranked: {}", kernel->id(), seqlen, kernel->unranked);
}

std::size_t Operands::processes(const std::string& name, std::int64_t seqlen) const {
  const auto* kernel = find(chosen_.at(name), seqlen);
  return kernel == nullptr ? 0 : static_cast<std::size_t>(kernel->processes);
}

std::vector<double> Operands::log_seconds(const std::string& kernel_id, std::int64_t seqlen) const {
  const auto& kernel = *find(kernel_id, seqlen);
  if (kernel.by_process.empty()) return {std::log(kernel.seconds->estimate)};
  return attnbench::log_seconds(kernel.by_process);
}

std::map<int, double> Operands::process_log_ratios(const std::string& kernel_id,
                                                   const std::string& against_id, std::int64_t seqlen) const {
  const auto& kernel = *find(kernel_id, seqlen);
  const auto& against = *find(against_id, seqlen);
  if (!kernel.ok() || !against.ok()) return {};
  if (kernel.by_process.empty() || against.by_process.empty())
    return {{0, std::log(against.seconds->estimate / kernel.seconds->estimate)}};
  return attnbench::process_log_ratios(against.by_process, kernel.by_process);
}

std::vector<double> Operands::log_ratios(const std::string& kernel_id, const std::string& against_id,
                                         std::int64_t seqlen) const {
  std::vector<double> logs;
  for (const auto& [process, log] : process_log_ratios(kernel_id, against_id, seqlen)) logs.push_back(log);
  return logs;
}

}  // namespace attnbench
