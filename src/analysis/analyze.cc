#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <tuple>
#include <vector>

#include "analysis/analysis.h"
#include "analysis/attention_function.h"
#include "analysis/cell_analysis.h"
#include "analysis/cpu_set.h"
#include "analysis/families.h"
#include "analysis/grouping.h"
#include "analysis/kernel_work.h"
#include "analysis/layer_effect.h"
#include "analysis/peers.h"
#include "analysis/recommend.h"
#include "analysis/series.h"
#include "analysis/standing.h"
#include "io/json.h"
#include "store/machine_names.h"

namespace attnbench {
namespace {

std::vector<CellInput> inputs_of(const RunContents& contents) {
  std::vector<CellInput> inputs;
  std::map<std::string, std::size_t> index;
  for (const auto& cell : contents.cells) {
    index[cell.cell_id] = inputs.size();
    inputs.push_back({contents.run, cell, {}, {}, {}, false});
  }
  const auto sort_in = [&](const auto& records, auto member) {
    for (const auto& record : records) {
      if (const auto at = index.find(record.cell_id); at != index.end())
        (inputs[at->second].*member).push_back(&record);
    }
  };
  sort_in(contents.processes, &CellInput::processes);
  sort_in(contents.verifications, &CellInput::verifications);
  sort_in(contents.failures, &CellInput::failures);
  return inputs;
}

/// "; the model's attention also has, and nothing here computes: ALiBi": of a study of a model's shapes.
std::string not_computed_text(const RunRecord& run) {
  const nlohmann::json::json_pointer at("/study/not_computed");
  if (!run.plan->is_object() || !run.plan->contains(at)) return "";
  const auto list = json_value<std::vector<std::string>>(run.plan->at(at), "not_computed");
  if (list.empty()) return "";
  return fmt::format("; the model's attention also has, and nothing here computes: {}",
                     fmt::join(list, "; "));
}

/// Times, ratios and verdicts of all cells.
RunAnalysis judged_run(const RunContents& contents, bool with_rejected) {
  RunAnalysis run;
  run.run = contents.run;
  run.published = contents.run.profile == "published";
  AaLogs aa_logs;
  std::vector<CellAnalysis> cells;
  for (auto& input : inputs_of(contents)) {
    input.with_rejected = with_rejected;
    cells.push_back(analyze_cell(input, aa_logs[input.cell.cell_id]));
  }
  auto grouped = group_cells(std::move(cells));
  run.common = std::move(grouped.common) + not_computed_text(contents.run);
  run.groups = std::move(grouped.groups);
  judge(run, aa_logs);
  return run;
}

/// Verdicts with the rejected processes beside those without.
std::optional<RejectedEffect> rejected_effect(const RunContents& contents, const RunAnalysis& run) {
  if (run.published || std::none_of(contents.processes.begin(), contents.processes.end(), is_rejected))
    return std::nullopt;
  const auto other = judged_run(contents, true);
  RejectedEffect effect;
  const auto verdict_of = [](const KernelAnalysis& kernel) {
    return kernel.judgement ? std::optional(kernel.judgement->verdict) : std::nullopt;
  };
  for (std::size_t g = 0; g < run.groups.size(); ++g) {
    for (std::size_t c = 0; c < run.groups[g].cells.size(); ++c) {
      const auto& cell = run.groups[g].cells[c];
      const auto& with = other.groups[g].cells[c];
      effect.processes += with.judged_processes - cell.judged_processes;
      for (std::size_t k = 0; k < cell.kernels.size(); ++k) {
        const RejectedEffect::Change change{cell.cell.cell_id, cell.kernels[k].id(),
                                            verdict_of(cell.kernels[k]), verdict_of(with.kernels[k])};
        effect.verdicts += change.without.has_value();
        effect.others += change.without && change.with && change.without != change.with;
        effect.withheld += change.without && !change.with;
        effect.more += !change.without && change.with;
        if (change.without != change.with) effect.changes.push_back(change);
      }
    }
  }
  if (effect.processes == 0 || effect.verdicts == 0) return std::nullopt;
  return effect;
}

RunAnalysis analyze_run(const RunContents& contents) {
  auto run = judged_run(contents, false);
  run.noise = summarize_noise(contents);
  run.rejected_effect = rejected_effect(contents, run);
  for (const auto& process : contents.processes) {
    const auto& at = process.started_utc;
    if (at.empty()) continue;
    if (run.measured_from.empty() || at < run.measured_from) run.measured_from = at;
    run.measured_to = std::max(run.measured_to, at);
    run.processes.push_back(
        fmt::format("{} {} {} {}", process.cell_id, process.process, process.boot_id, at));
  }
  std::sort(run.processes.begin(), run.processes.end());
  run.cpu_set = cpu_set(contents);
  run.ceilings = ceiling_rows(contents.run);
  for (auto& group : run.groups) {
    describe_functions(group);
    group.series = analyze_series(group, run.published);
    group.recommendation = recommend(group);
  }
  run.layer_effect = layer_effects(run);
  compare_peers(run);
  set_standing(run);
  if (!run.published) return run;
  for (auto& group : run.groups) {
    for (auto& cell : group.cells) {
      for (auto& kernel : cell.kernels) kernel.by_process.clear();
    }
  }
  return run;
}

}  // namespace

std::string RejectedEffect::text() const {
  return fmt::format(
      "with the {} rejected processes that are complete: of {} verdicts given {} would be others, {} would "
      "be withheld; {} more would be given",
      processes, verdicts, others, withheld, more);
}

const KernelAnalysis* CellAnalysis::find(std::string_view kernel_id) const {
  const auto found =
      std::find_if(kernels.begin(), kernels.end(), [&](const auto& k) { return k.id() == kernel_id; });
  return found == kernels.end() ? nullptr : &*found;
}

const CellAnalysis* GroupAnalysis::at(std::int64_t seqlen) const {
  const auto found =
      std::find_if(cells.begin(), cells.end(), [&](const auto& c) { return c.seqlen() == seqlen; });
  return found == cells.end() ? nullptr : &*found;
}

const SeriesAnalysis* GroupAnalysis::find_series(std::string_view kernel_id) const {
  const auto found =
      std::find_if(series.begin(), series.end(), [&](const auto& s) { return s.kernel_id == kernel_id; });
  return found == series.end() ? nullptr : &*found;
}

bool canonically_before(const KernelRecord& a, const KernelRecord& b) {
  const auto key = [](const KernelRecord& kernel) {
    const auto m = parse_mechanism(kernel.mechanism);
    return std::make_tuple(m.kind, m.num_kv_heads, m.window, m.block_size, m.globals, m.causal_bottom_right);
  };
  return key(a) < key(b);
}

Analysis analyze(std::span<const RunContents> runs) {
  Analysis analysis;
  const auto machines = machine_names(runs);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    auto& run = analysis.runs.emplace_back(analyze_run(runs[i]));
    run.id = "r" + std::to_string(i);
    run.machine = machines[i];
  }
  return analysis;
}

}  // namespace attnbench
