#include "analysis/families.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <stdexcept>
#include <tuple>

#include "analysis/format.h"
#include "analysis/looks.h"
#include "analysis/process_times.h"
#include "stats/best_set.h"

namespace attnbench {

bool is_ranked(const KernelAnalysis& kernel) { return kernel.ratio && kernel.unranked.empty(); }

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
  const auto checks = stats::check_aa(logs, planned_margin(run.run));
  for (std::size_t i = 0; i < cells.size(); ++i) cells[i]->aa = checks[i];
}

/// Why the A/A check of a cell allows no verdicts, in a run that asks for them.
std::string why_noisy(const RunAnalysis& run, const CellAnalysis& cell, std::size_t alias_processes) {
  if (!cell.aa) return "no A/A alias";
  const auto judged = static_cast<std::size_t>(cell.judged_processes);
  if (alias_processes < judged) return fmt::format("A/A in {} of {} processes", alias_processes, judged);
  if (cell.aa->equivalent) return "";
  return fmt::format("too noisy{}: A/A not shown to lie within {}",
                     run.run.profile == "publish" ? " to publish" : "", margin_text(cell.aa->margin_ratio));
}

std::string why_withheld(const RunAnalysis& run, const CellAnalysis& cell, std::size_t alias_processes) {
  if (run.published) return "no variance published";
  if (cell.judged_processes < stats::kFewestProcesses) {
    return fmt::format("too few processes: {}, verdicts need {}", cell.judged_processes,
                       stats::kFewestProcesses);
  }
  const auto* baseline = cell.find(cell.baseline);
  if (baseline == nullptr || !baseline->ok()) return "no measured baseline";
  if (!baseline->unranked.empty()) return fmt::format("the baseline is {}", baseline->unranked);
  if (run.run.profile == "publish") {
    const auto looks = planned_looks(run.run);
    if (looks.empty()) return "the plan names no looks";
    if (cell.judged_processes < looks.front()) {
      return fmt::format("{} of at least {} processes", cell.judged_processes, looks.front());
    }
  }
  return why_noisy(run, cell, alias_processes);
}

/// A verdict and the times printed beside it are one estimate: anything else is an error of this program.
void require_consistent(const CellAnalysis& cell, const KernelAnalysis& kernel) {
  const auto& judged = *kernel.judgement;
  const double log_quotient =
      std::log(cell.find(cell.baseline)->seconds->estimate) - std::log(kernel.seconds->estimate);
  const double log_ratio = std::log(judged.ratio.estimate);  // infinite where the ratio is out of range
  const bool agrees = !std::isfinite(log_ratio) || std::abs(log_quotient - log_ratio) < 1e-9;
  const bool contradicts = (judged.verdict == stats::Verdict::kFaster && log_quotient < 0) ||
                           (judged.verdict == stats::Verdict::kSlower && log_quotient > 0);
  if (agrees && !contradicts) return;
  throw std::logic_error(fmt::format("{}: {} is {} at ratio {}, but its times give {}", cell.cell.cell_id,
                                     kernel.id(), stats::to_string(judged.verdict), judged.ratio.estimate,
                                     std::exp(log_quotient)));
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
    const auto judgements = stats::judge_family(family.logs, planned_margin(run.run));
    for (std::size_t i = 0; i < judgements.size(); ++i) {
      const auto& [cell, kernel] = family.members[i];
      if (!cell->withheld.empty() || !kernel->unranked.empty()) continue;
      kernel->judgement = judgements[i];
      require_consistent(*cell, *kernel);
    }
  }
}

/// The best set of some kernels of a cell, and where it is to stand.
struct Statement {
  const CellAnalysis* cell;
  std::vector<const KernelAnalysis*> kernels;
  BestKernels* best;
};

std::vector<Statement> statements_of(RunAnalysis& run) {
  std::vector<Statement> statements;
  for (auto& group : run.groups) {
    for (auto& cell : group.cells) {
      Statement of_all{&cell, {}, &cell.best};
      std::map<std::string, Statement> of_mechanisms;
      for (const auto& kernel : cell.kernels) {
        if (!is_ranked(kernel)) continue;
        of_all.kernels.push_back(&kernel);
        const auto& mechanism = kernel.kernel.mechanism;
        auto& statement =
            of_mechanisms.try_emplace(mechanism, Statement{&cell, {}, &cell.best_of_mechanism[mechanism]})
                .first->second;
        statement.kernels.push_back(&kernel);
      }
      if (!of_all.kernels.empty()) statements.push_back(std::move(of_all));
      for (auto& [mechanism, statement] : of_mechanisms) statements.push_back(std::move(statement));
    }
  }
  return statements;
}

/// How a kernel's verdict places it against others that have one: the baseline at 0; absent where it does
/// not.
std::optional<int> place_of(const KernelAnalysis& kernel) {
  if (kernel.kernel.is_baseline) return 0;
  if (!kernel.judgement) return std::nullopt;
  if (kernel.judgement->verdict == stats::Verdict::kFaster) return 1;
  if (kernel.judgement->verdict == stats::Verdict::kSlower) return -1;
  return std::nullopt;
}

/// Of each kernel whether the verdicts show another one to be faster than it.
std::vector<bool> shown_slower(const std::vector<const KernelAnalysis*>& kernels) {
  std::optional<int> first;
  for (const auto* kernel : kernels) first = std::max(first, place_of(*kernel));
  std::vector<bool> slower;
  for (const auto* kernel : kernels) {
    const auto place = place_of(*kernel);
    slower.push_back(place && *place < *first);
  }
  return slower;
}

/// One family for the run, in which withheld cells stay; a kernel alone is no statement.
void find_best(RunAnalysis& run) {
  auto statements = statements_of(run);
  for (auto& statement : statements) {
    if (statement.kernels.size() == 1 && statement.cell->withheld.empty())
      statement.best->set.push_back(statement.kernels[0]->id());
  }
  std::erase_if(statements, [](const auto& statement) { return statement.kernels.size() < 2; });
  std::vector<stats::Contest> contests;
  std::vector<std::vector<bool>> slower;
  for (const auto& statement : statements) {
    auto& contest = contests.emplace_back();
    for (const auto* kernel : statement.kernels) contest.push_back(log_ratios(kernel->by_process));
    slower.push_back(shown_slower(statement.kernels));
  }
  const auto sets = stats::find_best_sets(contests, slower);
  for (std::size_t i = 0; i < sets.size(); ++i) {
    if (!statements[i].cell->withheld.empty()) continue;
    auto& best = *statements[i].best;
    for (std::size_t m = 0; m < sets[i].members.size(); ++m) {
      auto& list = m < sets[i].leading ? best.set : best.not_excluded;
      list.push_back(statements[i].kernels[sets[i].members[m]]->id());
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

void judge(RunAnalysis& run, const AaLogs& aa_logs) {
  check_alias(run, aa_logs);
  for (auto& group : run.groups) {
    for (auto& cell : group.cells) {
      const auto logs = aa_logs.find(cell.cell.cell_id);
      cell.withheld = why_withheld(run, cell, logs == aa_logs.end() ? 0 : logs->second.size());
      cell.fastest = fastest_of(cell);
    }
  }
  judge_families(run);
  find_best(run);  // its sets do not contradict the verdicts
}

}  // namespace attnbench
