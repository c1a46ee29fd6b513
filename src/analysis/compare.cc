#include "analysis/compare.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/json_values.h"
#include "analysis/process_times.h"
#include "attnbench/error.h"
#include "stats/process_value.h"
#include "stats/welch.h"

namespace attnbench {
namespace {

using nlohmann::json;

const CellAnalysis* find_cell(const RunAnalysis& run, const std::string& cell_id) {
  for (const auto& group : run.groups) {
    for (const auto& cell : group.cells) {
      if (cell.cell.cell_id == cell_id) return &cell;
    }
  }
  return nullptr;
}

/// One kernel that is ok in both.
struct Match {
  const GroupAnalysis& group;
  const CellAnalysis &old_cell, &new_cell;
  const KernelAnalysis &old_kernel, &new_kernel;
};

std::vector<Match> matches(const RunAnalysis& before, const RunAnalysis& after, Comparison& comparison) {
  std::vector<Match> list;
  const auto warn = [&](const auto& cell, const std::string& what) {
    comparison.warnings.push_back(fmt::format("not compared: {}: {}", cell.cell.cell_id, what));
  };
  for (const auto& group : after.groups) {
    for (const auto& cell : group.cells) {
      const auto* old_cell = find_cell(before, cell.cell.cell_id);
      if (old_cell == nullptr) {
        warn(cell, "measured by the new one alone");
      } else if (old_cell->cell.threads != cell.cell.threads) {
        warn(cell, fmt::format("{} threads in the old one, {} in the new", old_cell->cell.threads,
                               cell.cell.threads));
      } else if (old_cell->baseline != cell.baseline) {
        warn(cell, fmt::format("the baseline is {} in the old one, {} in the new", old_cell->baseline,
                               cell.baseline));
      } else {
        for (const auto& kernel : cell.kernels) {
          const auto* old_kernel = old_cell->find(kernel.id());
          const bool was_ok = old_kernel != nullptr && old_kernel->ok();
          if (kernel.ok() && was_ok) {
            list.push_back({group, *old_cell, cell, *old_kernel, kernel});
          } else if (kernel.ok() != was_ok) {
            warn(cell, fmt::format("{} has times in the {} one alone", kernel.id(), was_ok ? "old" : "new"));
          }
        }
      }
    }
  }
  for (const auto& group : before.groups) {
    for (const auto& cell : group.cells) {
      if (find_cell(after, cell.cell.cell_id) == nullptr) warn(cell, "measured by the old one alone");
    }
  }
  return list;
}

Comparison start(const RunAnalysis& before, const RunAnalysis& after, double threshold, bool paired) {
  Comparison comparison;
  comparison.paired = paired;
  comparison.old_build = before.run.build_id;
  comparison.new_build = after.run.build_id;
  comparison.old_machine = before.machine;
  comparison.new_machine = after.machine;
  comparison.threshold = threshold;
  return comparison;
}

ComparedKernel row_of(const Match& match) {
  ComparedKernel row;
  row.cell_id = match.new_cell.cell.cell_id;
  row.heading = match.group.heading;
  row.kernel_id = match.new_kernel.id();
  row.seqlen = match.new_cell.seqlen();
  row.is_baseline = match.new_kernel.kernel.is_baseline;
  row.old_seconds = *match.old_kernel.seconds;
  row.new_seconds = *match.new_kernel.seconds;
  return row;
}

/// log(old / new) of each process that is valid in both.
std::vector<double> paired_logs(const KernelAnalysis& before, const KernelAnalysis& after) {
  std::vector<double> logs;
  for (const auto& [process, log] : process_log_ratios(before.by_process, after.by_process))
    logs.push_back(log);
  return logs;
}

void finish(Comparison& comparison, std::span<const stats::LogRatio> log_ratios,
            const std::vector<std::size_t>& judged) {
  const auto judgements = stats::judge_log_ratios(log_ratios);
  std::size_t fewest = stats::kFewestProcesses;
  for (std::size_t i = 0; i < judged.size(); ++i) {
    auto& row = comparison.rows[judged[i]];
    row.judgement = judgements[i];
    fewest = std::min(fewest, log_ratios[i].processes);
    row.regression = judgements[i].verdict == stats::Verdict::kSlower &&
                     1 / judgements[i].ratio.estimate > 1 + comparison.threshold;
  }
  if (fewest < stats::kFewestProcesses) {
    comparison.warnings.push_back(
        fmt::format("too few processes for verdicts: {}, {} are needed", fewest, stats::kFewestProcesses));
  }
  if (comparison.rows.empty()) comparison.warnings.emplace_back("no kernel has times in both");
}

std::string role_in_pair(const RunRecord& run) {
  const json::json_pointer role("/pair/role");
  return run.plan.is_object() && run.plan.contains(role) ? run.plan.at(role).get<std::string>() : "";
}

}  // namespace

int Comparison::regressions() const {
  return static_cast<int>(
      std::count_if(rows.begin(), rows.end(), [](const auto& row) { return row.regression; }));
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
  auto comparison = start(before, after, threshold, true);
  std::vector<stats::LogRatio> log_ratios;
  std::vector<std::size_t> judged;
  for (const auto& match : matches(before, after, comparison)) {
    const auto logs = paired_logs(match.old_kernel, match.new_kernel);
    if (logs.empty()) {
      comparison.warnings.push_back(fmt::format("not compared: {}: {}: no process is valid in both builds",
                                                match.new_cell.cell.cell_id, match.new_kernel.id()));
      continue;
    }
    auto row = row_of(match);
    row.times = stats::ratio_interval(logs);
    judged.push_back(comparison.rows.size());
    log_ratios.push_back(stats::paired_log_ratio(logs));
    comparison.rows.push_back(std::move(row));
  }
  finish(comparison, log_ratios, judged);
  return comparison;
}

Comparison compare_unpaired(const RunAnalysis& before, const RunAnalysis& after, double threshold) {
  for (const auto* run : {&before, &after}) {
    if (run->published)
      throw InputError("store", run->machine, "holds published means without variance: nothing to compare");
  }
  auto comparison = start(before, after, threshold, false);
  if (before.run.machine_key != after.run.machine_key)
    comparison.warnings.emplace_back("measured on different machines");
  comparison.warnings.emplace_back(
      "measured separately: kernels are compared by their ratios to the baseline, and the drift between the "
      "two sessions is in no interval");
  std::vector<stats::LogRatio> log_ratios;
  std::vector<std::size_t> judged;
  for (const auto& match : matches(before, after, comparison)) {
    auto row = row_of(match);
    row.times = stats::exponential(stats::welch_difference(log_seconds(match.old_kernel.by_process),
                                                           log_seconds(match.new_kernel.by_process))
                                       .interval());
    const auto old_logs = attnbench::log_ratios(match.old_kernel.by_process);
    const auto new_logs = attnbench::log_ratios(match.new_kernel.by_process);
    if (!row.is_baseline && !old_logs.empty() && !new_logs.empty()) {
      judged.push_back(comparison.rows.size());
      log_ratios.push_back(
          {stats::welch_difference(new_logs, old_logs), std::min(old_logs.size(), new_logs.size())});
    }
    comparison.rows.push_back(std::move(row));
  }
  finish(comparison, log_ratios, judged);
  return comparison;
}

json to_json(const Comparison& c) {
  auto rows = json::array();
  for (const auto& r : c.rows) {
    const auto& j = r.judgement;
    rows.push_back({{"cell_id", r.cell_id},
                    {"seqlen", r.seqlen},
                    {"kernel", r.kernel_id},
                    {"is_baseline", r.is_baseline},
                    {"old_seconds", interval_json(r.old_seconds)},
                    {"new_seconds", interval_json(r.new_seconds)},
                    {"times", interval_json(r.times)},
                    {"ratio", j ? interval_json(j->ratio) : json()},
                    {"verdict", j ? json(stats::to_string(j->verdict)) : json()},
                    {"p_difference_adjusted", j ? json(j->difference_p_adjusted) : json()},
                    {"p_equivalence_adjusted", j ? json(j->equivalence_p_adjusted) : json()},
                    {"regression", r.regression}});
  }
  return {{"format", "attnbench-comparison"},
          {"version", 1},
          {"paired", c.paired},
          {"old", {{"build_id", c.old_build}, {"machine", c.old_machine}}},
          {"new", {{"build_id", c.new_build}, {"machine", c.new_machine}}},
          {"threshold", c.threshold},
          {"warnings", c.warnings},
          {"regressions", c.regressions()},
          {"rows", rows}};
}

}  // namespace attnbench
