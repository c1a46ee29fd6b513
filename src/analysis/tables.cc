#include "analysis/tables.h"

#include <algorithm>
#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "analysis/format.h"
#include "analysis/json_values.h"
#include "analysis/peers.h"

namespace attnbench {
namespace {

using nlohmann::json;

json group_row(const RunAnalysis& run, const GroupAnalysis& group) {
  return {{"run", run.id},
          {"machine", run.machine},
          {"published", run.published},
          {"dtype", group.dtype},
          {"scope", group.first().scope},
          {"phase", group.first().phase},
          {"threads", group.first().threads},
          {"group", group.id},
          {"heading", group.heading}};
}

/// Causal softmax attention beside a baseline that is not causal: measured to set causal_linear against it.
/// Of its family, figures draw the baseline's form.
bool is_causal_reference(const CellAnalysis& cell, const KernelAnalysis& k) {
  const auto* baseline = cell.find(cell.baseline);
  return parse_mechanism(k.kernel.mechanism).causal_bottom_right && baseline != nullptr &&
         !parse_mechanism(baseline->kernel.mechanism).causal_bottom_right;
}

/// A kernel of another engine than ours and the baseline's: it has a figure of its own.
bool is_peer(const CellAnalysis& cell, const KernelAnalysis& k) {
  const auto* baseline = cell.find(cell.baseline);
  return !is_own(k.kernel) && (baseline == nullptr || baseline->kernel.engine != k.kernel.engine);
}

/// Its last place in the group's cells: one for all of them, and that of the longest list, though some
/// kernels have been measured at few N alone.
std::ptrdiff_t place_of(const GroupAnalysis& group, std::string_view kernel_id) {
  std::ptrdiff_t place = 0;
  for (const auto& cell : group.cells) {
    if (const auto* kernel = cell.find(kernel_id); kernel != nullptr)
      place = std::max(place, kernel - cell.kernels.data());
  }
  return place;
}

json kernel_row(const RunAnalysis& run, const GroupAnalysis& group, const CellAnalysis& cell,
                const KernelAnalysis& k) {
  auto row = group_row(run, group);
  const auto& name_of_kernel = k.kernel.kernel;
  row["kernel"] = k.id();
  row["mechanism"] = k.kernel.mechanism;
  row["family"] = name(parse_mechanism(k.kernel.mechanism).kind);
  row["kernel_name"] = name_of_kernel;
  row["path"] = k.kernel.path;
  row["label"] = k.label;
  row["form"] = k.kernel.form;
  row["order"] = place_of(group, k.id());
  row["is_baseline"] = k.kernel.is_baseline;
  row["baseline"] = cell.baseline;
  row["causal_reference"] = is_causal_reference(cell, k);
  row["default_path"] = k.kernel.is_default_path;
  row["peer"] = is_peer(cell, k);
  return row;
}

void add_interval(json& row, const std::string& column, const std::optional<stats::Interval>& interval) {
  const auto bounded = interval && interval->is_bounded();
  row[column] = interval ? json(interval->estimate) : json();
  row[column + "_low"] = bounded ? json(interval->low) : json();
  row[column + "_high"] = bounded ? json(interval->high) : json();
}

json point_row(const RunAnalysis& run, const GroupAnalysis& group, const CellAnalysis& cell,
               const KernelAnalysis& k) {
  auto row = kernel_row(run, group, cell, k);
  row["cell_id"] = cell.cell.cell_id;
  row["seqlen"] = cell.seqlen();
  row["status"] = k.status;
  row["reason"] = k.reason;
  add_interval(row, "seconds", k.seconds);
  add_interval(row, "ratio", k.ratio);
  add_interval(row, "to_dense", k.to_dense);
  row["keys_share"] = k.keys_share;
  row["function"] = k.function;
  row["verdict"] = k.judgement ? json(stats::to_string(k.judgement->verdict)) : json();
  row["verdict_words"] = k.judgement           ? json(verdict_text(*k.judgement))
                         : !k.unranked.empty() ? json("not ranked: " + k.unranked)
                                               : json();
  row["unranked"] = k.unranked;
  row["confirmed"] = k.is_confirmed();
  row["modes"] = k.modes;
  row["wide"] = k.wide;
  row["in_best_set"] = std::find(cell.best.set.begin(), cell.best.set.end(), k.id()) != cell.best.set.end();
  row["withheld"] = cell.withheld;
  row["useful_flops_per_second"] = k.seconds ? json(k.work.useful_flops / k.seconds->estimate) : json();
  row["useful_flops_per_byte"] = k.work.useful_flops / k.work.compulsory_bytes;
  row["percent_of_compute"] = value_json(k.work.percent_of_compute);
  row["percent_of_bandwidth"] = value_json(k.work.percent_of_bandwidth);
  row["bound"] = k.work.bound;
  row["kv_cache_bytes"] = value_json(k.work.kv_cache_bytes);
  row["peak_bytes"] = value_json(k.peak_bytes);
  row["workspace_bytes"] = value_json(k.workspace_bytes);
  row["max_error"] = k.accuracy ? json(k.accuracy->max_error) : json();
  row["tolerance"] = k.accuracy ? json(k.accuracy->tolerance) : json();
  return row;
}

void add_series(json& tables, const RunAnalysis& run, const GroupAnalysis& group,
                const SeriesAnalysis& series) {
  const auto is_its = [&](const CellAnalysis& cell) {
    const auto* kernel = cell.find(series.kernel_id);
    return kernel != nullptr && kernel->ok();
  };
  const auto first = std::find_if(group.cells.begin(), group.cells.end(), is_its);
  const auto last = std::find_if(group.cells.rbegin(), group.cells.rend(), is_its);
  const auto common = kernel_row(run, group, *last, *last->find(series.kernel_id));

  auto row = common;
  add_interval(row, "exponent", series.power_law.exponent);
  row["theory"] = series.theory;
  row["log_scale"] = series.power_law.log_scale;
  row["seqlen_from"] = first->seqlen();
  row["seqlen_to"] = last->seqlen();
  tables["series"].push_back(std::move(row));

  for (const auto& step : series.steps) {
    auto of_step = common;
    of_step["from"] = step.from_seqlen;
    of_step["to"] = step.to_seqlen;
    add_interval(of_step, "ratio", step.ratio);
    tables["steps"].push_back(std::move(of_step));
  }

  if (!series.crossover) return;
  const auto add_crossover = [&](const json& estimate, const stats::CrossoverRange* range) {
    auto of_crossover = common;
    of_crossover["estimate"] = estimate;
    of_crossover["low"] = range != nullptr ? json(range->low) : json();
    of_crossover["high"] = range != nullptr ? json(range->high) : json();
    of_crossover["open_low"] = range != nullptr ? json(range->open_low) : json();
    of_crossover["open_high"] = range != nullptr ? json(range->open_high) : json();
    tables["crossovers"].push_back(std::move(of_crossover));
  };
  if (!series.crossover->ranges) {
    for (const double estimate : series.crossover->estimates) add_crossover(estimate, nullptr);
    return;
  }
  for (const auto& range : *series.crossover->ranges) {
    bool holds_one = false;
    for (const double estimate : series.crossover->estimates) {
      if (estimate < range.low || estimate > range.high) continue;
      add_crossover(estimate, &range);
      holds_one = true;
    }
    if (!holds_one) add_crossover(nullptr, &range);
  }
}

json peer_row(const RunAnalysis& run, const GroupAnalysis& group, const PeerRow& peer) {
  auto row = group_row(run, group);
  row["cell_id"] = peer.cell_id;
  row["seqlen"] = peer.seqlen;
  row["mechanism"] = peer.mechanism;
  row["engine"] = peer.engine;
  row["kernel"] = peer.kernel;
  row["ours"] = peer.ours;
  add_interval(row, "ratio", peer.ratio);
  row["standing"] = to_string(peer.standing);
  row["verdict_words"] = peer.judgement ? json(verdict_text(*peer.judgement)) : json();
  return row;
}

json ceiling_row(const RunAnalysis& run, const CeilingRow& c) {
  return {{"run", run.id},
          {"machine", run.machine},
          {"device", c.device},
          {"quantity", c.quantity},
          {"dtype", c.dtype},
          {"path", c.path},
          {"operation", c.operation},
          {"bytes", value_json(c.bytes)},
          {"threads", c.threads},
          {"value", c.value},
          {"unit", c.unit}};
}

}  // namespace

json figure_tables(const Analysis& analysis) {
  json tables;
  for (const char* table : {"kernels", "series", "steps", "crossovers", "peers", "ceilings"})
    tables[table] = json::array();
  for (const auto& run : analysis.runs) {
    for (const auto& group : run.groups) {
      for (const auto& cell : group.cells) {
        for (const auto& kernel : cell.kernels)
          tables["kernels"].push_back(point_row(run, group, cell, kernel));
      }
      for (const auto& series : group.series) add_series(tables, run, group, series);
      for (const auto& peer : run.peers.rows) {
        if (peer.group == group.id && peer.ratio) tables["peers"].push_back(peer_row(run, group, peer));
      }
    }
    for (const auto& ceiling : run.ceilings) tables["ceilings"].push_back(ceiling_row(run, ceiling));
  }
  return tables;
}

}  // namespace attnbench
