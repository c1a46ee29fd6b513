#include "analysis/families.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <tuple>

#include "analysis/process_times.h"
#include "stats/best_set.h"

namespace attnbench {
namespace {

void check_alias(RunAnalysis& run, const AaLogs& aa_logs) {
  std::vector<CellAnalysis*> cells;
  std::vector<std::vector<double>> logs;
  for (auto& group : run.groups) {
    for (auto& cell : group.cells) {
      const auto found = aa_logs.find(cell.cell.cell_id);
      if (found == aa_logs.end() || found->second.empty()) continue;
      cells.push_back(&cell);
      logs.push_back(found->second);
    }
  }
  const auto checks = stats::check_aa(logs);
  for (std::size_t i = 0; i < cells.size(); ++i) cells[i]->aa = checks[i];
}

std::string why_withheld(const RunAnalysis& run, const CellAnalysis& cell) {
  if (run.published) return "no variance published";
  if (cell.valid_processes < stats::kFewestProcesses) {
    return fmt::format("too few processes: {}, verdicts need {}", cell.valid_processes,
                       stats::kFewestProcesses);
  }
  const auto* baseline = cell.find(cell.baseline);
  if (baseline != nullptr && !baseline->partial.empty())
    return fmt::format("the baseline is {}", baseline->partial);
  const bool gated = run.run.profile == "publish";
  return gated && !(cell.aa && cell.aa->equivalent) ? "too noisy to publish" : "";
}

/// A verdict and the times printed beside it are one estimate: anything else is an error of this program.
void require_consistent(const CellAnalysis& cell, const KernelAnalysis& kernel) {
  const auto& judged = *kernel.judgement;
  const double quotient = cell.find(cell.baseline)->seconds->estimate / kernel.seconds->estimate;
  const bool agrees = std::abs(std::log(quotient / judged.ratio.estimate)) < 1e-9;
  const bool contradicts = (judged.verdict == stats::Verdict::kFaster && quotient < 1) ||
                           (judged.verdict == stats::Verdict::kSlower && quotient > 1);
  if (agrees && !contradicts) return;
  throw std::logic_error(fmt::format("{}: {} is {} at ratio {}, but its times give {}", cell.cell.cell_id,
                                     kernel.id(), stats::to_string(judged.verdict), judged.ratio.estimate,
                                     quotient));
}

/// Withheld comparisons stay in their family: leaving them out could help the others.
void judge_families(RunAnalysis& run) {
  struct Family {
    std::vector<std::pair<CellAnalysis*, KernelAnalysis*>> members;
    std::vector<std::vector<double>> logs;
  };
  std::map<std::tuple<std::string, std::string, std::string>, Family> families;
  for (auto& group : run.groups) {
    for (auto& cell : group.cells) {
      for (auto& kernel : cell.kernels) {
        if (kernel.kernel.is_baseline || !kernel.ratio) continue;
        auto& family = families[{cell.cell.device, group.dtype, cell.cell.scope}];
        family.members.emplace_back(&cell, &kernel);
        family.logs.push_back(log_ratios(kernel.by_process));
      }
    }
  }
  for (auto& [key, family] : families) {
    const auto judgements = stats::judge_family(family.logs);
    for (std::size_t i = 0; i < judgements.size(); ++i) {
      const auto& [cell, kernel] = family.members[i];
      if (!cell->withheld.empty() || !kernel->partial.empty()) continue;
      kernel->judgement = judgements[i];
      require_consistent(*cell, *kernel);
    }
  }
}

std::string fastest_of(const CellAnalysis& cell) {
  const KernelAnalysis* best = nullptr;
  for (const auto& kernel : cell.kernels) {
    if (is_ranked(kernel) && (best == nullptr || kernel.ratio->estimate > best->ratio->estimate))
      best = &kernel;
  }
  return best == nullptr ? "" : best->id();
}

}  // namespace

std::vector<std::string> best_set_of(std::span<const KernelAnalysis* const> kernels) {
  std::map<int, std::size_t> counts;  // processes that have the ratio, and how many kernels have it there
  for (const auto* kernel : kernels) {
    for (const auto& process : kernel->by_process) counts[process.process] += process.log_ratio.has_value();
  }
  std::vector<std::vector<double>> logs;
  for (const auto* kernel : kernels) {
    auto& list = logs.emplace_back();
    for (const auto& process : kernel->by_process) {
      if (counts[process.process] == kernels.size()) list.push_back(*process.log_ratio);
    }
  }
  if (logs.empty() || logs[0].empty()) return {};
  std::vector<std::string> ids;
  for (const auto member : stats::find_best_set(logs).members) ids.push_back(kernels[member]->id());
  return ids;
}

bool is_ranked(const KernelAnalysis& kernel) { return kernel.ratio && kernel.partial.empty(); }

void judge(RunAnalysis& run, const AaLogs& aa_logs) {
  check_alias(run, aa_logs);
  for (auto& group : run.groups) {
    for (auto& cell : group.cells) {
      cell.withheld = why_withheld(run, cell);
      cell.fastest = fastest_of(cell);
      if (!cell.withheld.empty()) continue;
      std::vector<const KernelAnalysis*> ranked;
      for (const auto& kernel : cell.kernels) {
        if (is_ranked(kernel)) ranked.push_back(&kernel);
      }
      cell.best_set = best_set_of(ranked);
    }
  }
  judge_families(run);
}

}  // namespace attnbench
