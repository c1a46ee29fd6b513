#include "analysis/compare.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <iterator>
#include <limits>
#include <tuple>

#include "analysis/process_times.h"
#include "attnbench/error.h"
#include "stats/contrast.h"
#include "stats/holm.h"
#include "stats/process_value.h"
#include "stats/quantiles.h"
#include "store/machine_names.h"

namespace attnbench {
namespace {

using Outcome = ComparisonOutcome;
using Basis = ComparisonBasis;

/// Level of each one-sided test that a kernel is not slower by more than the threshold.
constexpr double kNotSlowerError = 1 - stats::kConfidence;

const CellAnalysis* find_cell(const RunAnalysis& run, const std::string& cell_id) {
  for (const auto& group : run.groups) {
    for (const auto& cell : group.cells) {
      if (cell.cell.cell_id == cell_id) return &cell;
    }
  }
  return nullptr;
}

/// Why nothing in the cell can be compared; empty where it can.
std::string cell_difference(const CellAnalysis& before, const CellAnalysis* after, Basis basis) {
  if (after == nullptr) return "not measured by the new one";
  if (before.cell.threads != after->cell.threads)
    return fmt::format("{} threads in the old one, {} in the new", before.cell.threads, after->cell.threads);
  if (basis == Basis::kAbsolute && before.cell.cpus != after->cell.cpus) {
    return fmt::format("CPUs {} in the old one, {} in the new", fmt::join(before.cell.cpus, ","),
                       fmt::join(after->cell.cpus, ","));
  }
  if (basis == Basis::kRelative && before.baseline != after->baseline) {
    return fmt::format("the baseline is {} in the old one, {} in the new", before.baseline, after->baseline);
  }
  return "";
}

/// One kernel that is ok in both.
struct Match {
  const CellAnalysis &old_cell, &new_cell;
  const KernelAnalysis &old_kernel, &new_kernel;
};

/// Sets what the row shows. Returns the log of what is judged; where there is nothing to judge, the row says
/// why.
using MeasureMatch = std::function<std::optional<stats::LogRatio>(const Match&, ComparedKernel&)>;

/// One process of both builds: each one's log median over the blocks that both have.
struct ProcessPair {
  double before = 0, after = 0;
};

std::optional<ProcessPair> pair_of(const ProcessTimes& before, const ProcessTimes& after) {
  std::vector<double> old_blocks, new_blocks;
  for (std::size_t i = 0; i < before.blocks.size(); ++i) {
    const auto& numbers = after.block_numbers;
    const auto same = std::find(numbers.begin(), numbers.end(), before.block_numbers[i]);
    if (same == numbers.end()) continue;
    old_blocks.push_back(before.blocks[i]);
    new_blocks.push_back(after.blocks[static_cast<std::size_t>(same - numbers.begin())]);
  }
  if (old_blocks.empty()) return std::nullopt;
  return ProcessPair{std::log(stats::process_seconds(old_blocks)),
                     std::log(stats::process_seconds(new_blocks))};
}

std::optional<stats::LogRatio> measure_paired(const Match& match, ComparedKernel& row) {
  std::vector<double> old_logs, new_logs, logs;
  for (const auto& before : match.old_kernel.by_process) {
    for (const auto& after : match.new_kernel.by_process) {
      const auto pair = before.process == after.process ? pair_of(before, after) : std::nullopt;
      if (!pair) continue;
      old_logs.push_back(pair->before);
      new_logs.push_back(pair->after);
      logs.push_back(pair->before - pair->after);
    }
  }
  if (logs.empty()) {
    row.reason = "no process is valid in both builds";
    return std::nullopt;
  }
  row.old_seconds = stats::time_interval(old_logs);
  row.new_seconds = stats::time_interval(new_logs);
  const auto log_ratio = stats::paired_log_ratio(logs);
  row.times = stats::exponential(log_ratio.with_modes.value_or(log_ratio.estimate.interval()));
  return log_ratio;
}

/// Of log times, whose neighbours resemble each other as stats::time_interval allows for.
stats::SampleMean mean_of_times(std::span<const double> logs) {
  auto mean = stats::sample_mean(logs);
  mean.variance *= (1 + stats::kSerialCorrelation) / (1 - stats::kSerialCorrelation);
  return mean;
}

stats::LogRatio measure_times(const Match& match, ComparedKernel& row) {
  const auto old_logs = log_seconds(match.old_kernel.by_process);
  const auto new_logs = log_seconds(match.new_kernel.by_process);
  row.old_seconds = stats::time_interval(old_logs);
  row.new_seconds = stats::time_interval(new_logs);
  const stats::LogRatio log_ratio{
      stats::contrast(std::array{mean_of_times(old_logs), mean_of_times(new_logs)}, std::array{1.0, -1.0}),
      std::min(old_logs.size(), new_logs.size())};
  row.times = stats::exponential(log_ratio.estimate.interval());
  return log_ratio;
}

std::optional<stats::LogRatio> measure_relative(const Match& match, ComparedKernel& row) {
  measure_times(match, row);
  if (row.is_baseline) {
    row.outcome = Outcome::kReference;
    return std::nullopt;
  }
  const auto old_logs = log_ratios(match.old_kernel.by_process);
  const auto new_logs = log_ratios(match.new_kernel.by_process);
  if (old_logs.empty() || new_logs.empty()) {
    row.reason = fmt::format("no ratio to the baseline in the {} one", old_logs.empty() ? "old" : "new");
    return std::nullopt;
  }
  row.old_to_baseline = stats::ratio_interval(old_logs);
  row.new_to_baseline = stats::ratio_interval(new_logs);
  return stats::LogRatio{stats::welch_difference(new_logs, old_logs),
                         std::min(old_logs.size(), new_logs.size())};
}

/// Why `analyze` gives no verdict of it, in either.
std::string why_withheld(const Match& match) {
  for (const auto& [name, cell, kernel] : {std::tuple("old", &match.old_cell, &match.old_kernel),
                                           std::tuple("new", &match.new_cell, &match.new_kernel)}) {
    const auto& why = cell->withheld.empty() ? kernel->unranked : cell->withheld;
    if (!why.empty()) return fmt::format("{}: {}", name, why);
  }
  return "";
}

/// A row whose log-ratio waits for the others of its family.
struct Pending {
  std::size_t row = 0;
  stats::LogRatio log_ratio;
  std::string withheld;
};

void judge_rows(Comparison& comparison, std::span<const Pending> pending) {
  std::vector<stats::LogRatio> family;
  for (const auto& one : pending) family.push_back(one.log_ratio);
  // What is asked for is the margin too. A threshold of 0 leaves nothing equivalent but what is the same.
  constexpr double kNarrowestMargin = 1 + 1e-9;
  const auto judgements =
      stats::judge_log_ratios(family, std::max(1 + comparison.threshold, kNarrowestMargin));
  const double worst = std::log1p(comparison.threshold);
  // That it is slower by more than the threshold; what cannot tell stays in the family.
  std::vector<double> beyond;
  for (const auto& [row, log_ratio, withheld] : pending) {
    const auto& modes = log_ratio.with_modes;
    const bool tells = log_ratio.processes >= stats::kFewestProcesses && (!modes || modes->high < -worst);
    beyond.push_back(tells ? log_ratio.estimate.below_p(-worst) : 1);
  }
  beyond = stats::holm(beyond);
  for (std::size_t i = 0; i < pending.size(); ++i) {
    auto& row = comparison.rows[pending[i].row];
    const auto& [estimate, processes, with_modes] = pending[i].log_ratio;
    row.processes = processes;
    row.ratio = judgements[i].ratio;
    row.slower_limit =
        std::isinf(estimate.standard_error)
            ? std::numeric_limits<double>::infinity()
            : std::exp(stats::t_quantile(1 - kNotSlowerError, estimate.df) * estimate.standard_error -
                       estimate.value);
    // Where the processes have modes, the next one may be of the slower kind.
    if (with_modes) row.slower_limit = std::max(*row.slower_limit, std::exp(-with_modes->low));
    row.reason = pending[i].withheld;
    if (row.reason.empty() && processes < stats::kFewestProcesses)
      row.reason = fmt::format("{} processes, {} are needed", processes, stats::kFewestProcesses);
    if (!row.reason.empty()) continue;
    row.judgement = judgements[i];
    row.beyond_p_adjusted = beyond[i];
    if (*row.slower_limit < 1 + comparison.threshold) {
      row.outcome = Outcome::kPassed;
    } else if (judgements[i].verdict == stats::Verdict::kSlower && beyond[i] <= stats::kFamilyError) {
      row.outcome = Outcome::kRegression;
    } else if (judgements[i].verdict == stats::Verdict::kSlower) {
      row.reason = "slower, by how much is not decided";
    } else {
      row.reason = fmt::format("may be slower by more than {:g} %", 100 * comparison.threshold);
    }
  }
}

ComparedKernel start_row(const GroupAnalysis& group, const CellAnalysis& cell) {
  ComparedKernel row;
  row.cell_id = cell.cell.cell_id;
  row.heading = group.heading;
  row.seqlen = cell.seqlen();
  return row;
}

/// Of a kernel that has times in the old one alone.
void set_lost(ComparedKernel& row, const KernelAnalysis* after) {
  // Without a valid process nothing is known of the kernel; all else is the new build's answer to it.
  const bool unknown = after != nullptr && after->status == "not measured";
  row.outcome = unknown ? Outcome::kUndecided : Outcome::kLost;
  row.reason = after == nullptr ? "not in the new one" : fmt::format("{}: {}", after->status, after->reason);
}

void note_what_is_new(Comparison& comparison, const RunAnalysis& before, const RunAnalysis& after) {
  for (const auto& group : after.groups) {
    for (const auto& cell : group.cells) {
      const auto* old_cell = find_cell(before, cell.cell.cell_id);
      std::vector<std::string> kernels;
      for (const auto& kernel : cell.kernels) {
        const auto* old_kernel = old_cell == nullptr ? nullptr : old_cell->find(kernel.id());
        if (kernel.ok() && (old_kernel == nullptr || !old_kernel->ok())) kernels.push_back(kernel.id());
      }
      if (kernels.empty()) continue;
      comparison.warnings.push_back(
          fmt::format("in the new one alone: {}: {}", cell.cell.cell_id,
                      old_cell == nullptr ? "all" : fmt::format("{}", fmt::join(kernels, ", "))));
    }
  }
}

/// Two machines of one name, in two stores, are told apart.
std::vector<std::string> machines_of(const RunAnalysis& before, const RunAnalysis& after) {
  if (before.run.machine_key == after.run.machine_key) return {before.machine, after.machine};
  return told_apart({{before.machine, before.run.machine_key}, {after.machine, after.run.machine_key}});
}

Comparison compare(const RunAnalysis& before, const RunAnalysis& after, Basis basis, double threshold,
                   const MeasureMatch& measure) {
  const auto machines = machines_of(before, after);
  Comparison comparison{
      basis, before.run.build_id, after.run.build_id, machines[0], machines[1], threshold, {}, {}};
  std::vector<Pending> pending;
  for (const auto& group : before.groups) {
    for (const auto& cell : group.cells) {
      if (std::none_of(cell.kernels.begin(), cell.kernels.end(), [](const auto& k) { return k.ok(); }))
        continue;
      const auto* new_cell = find_cell(after, cell.cell.cell_id);
      if (const auto why = cell_difference(cell, new_cell, basis); !why.empty()) {
        comparison.rows.push_back(start_row(group, cell));
        comparison.rows.back().reason = why;
        continue;
      }
      for (const auto& kernel : cell.kernels) {
        if (!kernel.ok()) continue;
        auto row = start_row(group, cell);
        row.kernel_id = kernel.id();
        row.is_baseline = kernel.kernel.is_baseline;
        row.cell_processes =
            static_cast<std::size_t>(std::min(cell.valid_processes, new_cell->valid_processes));
        const auto* new_kernel = new_cell->find(row.kernel_id);
        row.confirmed = kernel.is_confirmed() && (new_kernel == nullptr || new_kernel->is_confirmed());
        if (new_kernel == nullptr || !new_kernel->ok()) {
          set_lost(row, new_kernel);
        } else if (const Match match{cell, *new_cell, kernel, *new_kernel};
                   const auto log_ratio = measure(match, row)) {
          pending.push_back({comparison.rows.size(), *log_ratio, why_withheld(match)});
        }
        if (new_kernel != nullptr && kernel.inexact && new_kernel->inexact) {
          row.outcome = Outcome::kUnranked;
          row.reason = kernel.unranked;
        }
        comparison.rows.push_back(std::move(row));
      }
    }
  }
  judge_rows(comparison, pending);
  note_what_is_new(comparison, before, after);
  if (comparison.rows.empty())
    comparison.warnings.emplace_back("the old one has no times: nothing to compare");
  return comparison;
}

/// The ratios cannot show what the baseline shares with all others; its own time can, if only together with
/// the machine's drift.
void check_baseline(Comparison& comparison, bool same_machine) {
  for (auto& row : comparison.rows) {
    if (row.outcome != Outcome::kReference || !same_machine || !row.times->is_bounded()) continue;
    const double limit = 1 + comparison.threshold;
    if (row.times->high >= 1 / limit && row.times->low <= limit) continue;
    comparison.warnings.push_back(fmt::format(
        "{}: the baseline's own time changed, which moves the ratio of every other kernel", row.cell_id));
    if (row.times->high >= 1 / limit) continue;
    row.outcome = Outcome::kUndecided;
    row.reason = "slower build or slower machine, which ratios cannot tell";
  }
}

/// Whether any process is in both: a run, a copy of it, or what a copy was continued to.
bool share_a_process(const RunAnalysis& before, const RunAnalysis& after) {
  std::vector<std::string> both;
  std::set_intersection(before.processes.begin(), before.processes.end(), after.processes.begin(),
                        after.processes.end(), std::back_inserter(both));
  return !both.empty() && before.run.machine_key == after.run.machine_key;
}

}  // namespace

std::string_view to_string(ComparisonOutcome outcome) {
  switch (outcome) {
    case Outcome::kPassed:
      return "passed";
    case Outcome::kRegression:
      return "regression";
    case Outcome::kLost:
      return "lost";
    case Outcome::kReference:
      return "baseline";
    case Outcome::kUnranked:
      return "not ranked";
    case Outcome::kUndecided:
      break;
  }
  return "not decided";
}

int Comparison::undecided_cells() const {
  return static_cast<int>(std::count_if(rows.begin(), rows.end(), [](const auto& row) {
    return row.outcome == Outcome::kUndecided && row.kernel_id.empty();
  }));
}

int Comparison::count(ComparisonOutcome outcome) const {
  return static_cast<int>(
      std::count_if(rows.begin(), rows.end(), [&](const auto& row) { return row.outcome == outcome; }));
}

ComparisonOutcome Comparison::outcome() const {
  if (count(Outcome::kRegression) + count(Outcome::kLost) > 0) return Outcome::kRegression;
  return count(Outcome::kPassed) > 0 && count(Outcome::kUndecided) == 0 ? Outcome::kPassed
                                                                        : Outcome::kUndecided;
}

BuildPair find_pair(const Analysis& analysis, const std::string& file) {
  BuildPair pair;
  for (const auto& run : analysis.runs) {
    const auto role = role_in_pair(run.run);
    auto& place = role == "old" ? pair.before : pair.after;
    if (role.empty() || place != nullptr) {
      pair = {};
      break;
    }
    place = &run;
  }
  if (pair.before == nullptr || pair.after == nullptr) {
    throw InputError("store", file,
                     "does not hold two builds measured together (attnbench run --against); name two stores");
  }
  return pair;
}

Comparison compare_paired(const RunAnalysis& before, const RunAnalysis& after, double threshold) {
  return compare(before, after, Basis::kPaired, threshold, measure_paired);
}

Comparison compare_sessions(const RunAnalysis& before, const RunAnalysis& after, ComparisonBasis basis,
                            double threshold) {
  for (const auto* run : {&before, &after}) {
    if (run->published)
      throw InputError("store", run->machine, "holds published means without variance: nothing to compare");
  }
  const bool same_machine = before.run.machine_key == after.run.machine_key;
  if (basis == Basis::kAbsolute && !same_machine) {
    throw InputError("absolute", fmt::format("{}", fmt::join(machines_of(before, after), "; ")),
                     "are two machines: times of different machines say nothing of a build");
  }
  auto comparison =
      compare(before, after, basis, threshold,
              basis == Basis::kAbsolute ? MeasureMatch(measure_times) : MeasureMatch(measure_relative));
  if (basis == Basis::kRelative) check_baseline(comparison, same_machine);
  if (!same_machine) comparison.warnings.emplace_back("measured on different machines");
  if (share_a_process(before, after)) {
    comparison.warnings.emplace_back(
        "both hold the same processes: a measurement decides nothing about itself");
    for (auto& row : comparison.rows) {
      row.outcome = Outcome::kUndecided;
      row.judgement.reset();
      row.beyond_p_adjusted.reset();
      row.reason = "the same measurement twice, or a part of it";
    }
  }
  return comparison;
}

}  // namespace attnbench
