#include "analysis/tables.h"

#include <cmath>
#include <functional>
#include <string>

#include "analysis/json_values.h"

namespace attnbench {
namespace {

using nlohmann::json;

/// One kernel at one N, with all that stands around it.
struct Point {
  const RunAnalysis& run;
  const GroupAnalysis& group;
  const CellAnalysis& cell;
  const KernelAnalysis& kernel;
};

MechanismKind kind_of(const KernelRecord& kernel) { return parse_mechanism(kernel.mechanism).kind; }

json group_row(const RunAnalysis& run, const GroupAnalysis& group) {
  return {{"run", run.id},        {"machine", run.machine},       {"published", run.published},
          {"dtype", group.dtype}, {"scope", group.first().scope}, {"phase", group.first().phase},
          {"group", group.id},    {"heading", group.heading}};
}

void add_kernel(json& row, const KernelAnalysis& k) {
  row["id"] = k.id();
  row["mechanism"] = k.kernel.mechanism;
  row["family"] = name(kind_of(k.kernel));
  row["kernel"] = k.kernel.kernel;
  row["engine"] = k.kernel.engine;
  row["path"] = k.kernel.path;
  row["label"] = k.label;
  row["is_baseline"] = k.kernel.is_baseline;
}

void add_interval(json& row, const std::string& column, const std::optional<stats::Interval>& interval) {
  const auto value = interval_json(interval);
  row[column] = value.is_null() ? json() : value["estimate"];
  row[column + "_low"] = value.is_null() ? json() : value["low"];
  row[column + "_high"] = value.is_null() ? json() : value["high"];
}

json point_row(const Point& p) {
  auto row = group_row(p.run, p.group);
  row["seqlen"] = p.cell.seqlen();
  row["baseline"] = p.cell.baseline;
  add_kernel(row, p.kernel);
  return row;
}

json seconds_row(const Point& p) {
  auto row = point_row(p);
  add_interval(row, "seconds", p.kernel.seconds);
  return row;
}

json ratio_row(const Point& p) {
  auto row = point_row(p);
  add_interval(row, "ratio", p.kernel.ratio);
  row["verdict"] = p.kernel.judgement ? json(stats::to_string(p.kernel.judgement->verdict)) : json();
  row["withheld"] = p.cell.withheld;
  return row;
}

json both_row(const Point& p) {
  auto row = ratio_row(p);
  row.update(seconds_row(p));
  return row;
}

json dense_row(const Point& p) {
  auto row = both_row(p);
  row["kv_cache_bytes"] = value_json(p.kernel.work.kv_cache_bytes);
  return row;
}

json roofline_row(const Point& p) {
  auto row = seconds_row(p);
  const auto& w = p.kernel.work;
  row["useful_flops_per_second"] = w.useful_flops / p.kernel.seconds->estimate;
  row["bytes_per_second"] = w.compulsory_bytes / p.kernel.seconds->estimate;
  row["flops_per_byte"] = w.useful_flops / w.compulsory_bytes;
  row["percent_of_compute"] = value_json(w.percent_of_compute);
  row["percent_of_compute_executed"] = value_json(w.percent_of_compute_executed);
  row["percent_of_bandwidth"] = value_json(w.percent_of_bandwidth);
  return row;
}

json accuracy_row(const Point& p) {
  auto row = seconds_row(p);
  const auto& accuracy = p.kernel.accuracy;
  row["max_error"] = accuracy ? json(accuracy->max_error) : json();
  row["plain_error"] = accuracy ? json(accuracy->plain_error) : json();
  row["tolerance"] = accuracy ? json(accuracy->tolerance) : json();
  row["peak_bytes"] = value_json(p.kernel.peak_bytes);
  row["workspace_bytes"] = value_json(p.kernel.workspace_bytes);
  return row;
}

json scaling_row(const Point& p) {
  const auto* series = p.group.find_series(p.kernel.id());
  if (series == nullptr) return {};
  auto row = seconds_row(p);
  row["fitted_seconds"] = series->power_law.seconds(static_cast<double>(p.cell.seqlen()));
  add_interval(row, "exponent", series->power_law.exponent);
  row["theory"] = series->theory;
  return row;
}

using MakeRow = std::function<json(const Point&)>;
using Chosen = std::function<bool(const KernelAnalysis&)>;

/// A row of each kernel that is ok and chosen; those that come out null are left out.
json rows_of(const Analysis& analysis, const MakeRow& make, const Chosen& chosen) {
  auto rows = json::array();
  for (const auto& run : analysis.runs) {
    for (const auto& group : run.groups) {
      for (const auto& cell : group.cells) {
        for (const auto& kernel : cell.kernels) {
          if (!kernel.ok() || !chosen(kernel)) continue;
          if (auto row = make({run, group, cell, kernel}); !row.is_null()) rows.push_back(std::move(row));
        }
      }
    }
  }
  return rows;
}

bool any(const KernelAnalysis&) { return true; }
bool has_ratio(const KernelAnalysis& k) { return k.ratio.has_value(); }
bool is_compared(const KernelAnalysis& k) { return k.ratio && !k.kernel.is_baseline; }
bool is_linear(const KernelAnalysis& k) { return !parse_mechanism(k.kernel.mechanism).is_softmax(); }
bool is_dense(const KernelAnalysis& k) {
  const auto kind = kind_of(k.kernel);
  return kind == MechanismKind::mha || kind == MechanismKind::gqa || kind == MechanismKind::mqa;
}
Chosen is_kind(MechanismKind kind) {
  return [kind](const KernelAnalysis& k) { return kind_of(k.kernel) == kind; };
}

json marked(json rows, const char* kind) {
  for (auto& row : rows) row["kind"] = kind;
  return rows;
}

/// Where block-sparse kernels cross the baseline.
void add_crossovers(json& rows, const Analysis& analysis) {
  for (const auto& run : analysis.runs) {
    for (const auto& group : run.groups) {
      for (const auto& series : group.series) {
        const auto* kernel = group.cells.back().find(series.kernel_id);
        if (!series.crossover || kernel == nullptr || kind_of(kernel->kernel) != MechanismKind::block_sparse)
          continue;
        for (const double estimate : series.crossover->estimates) {
          auto row = group_row(run, group);
          add_kernel(row, *kernel);
          row.update({{"kind", "crossover"}, {"seqlen", estimate}, {"low", nullptr}, {"high", nullptr}});
          if (series.crossover->ranges) {
            for (const auto& range : *series.crossover->ranges) {
              if (estimate < range.low || estimate > range.high) continue;
              row["low"] = range.low;
              row["high"] = range.high;
              row["open_low"] = range.open_low;
              row["open_high"] = range.open_high;
            }
          }
          rows.push_back(std::move(row));
        }
      }
    }
  }
}

/// O(N) and O(N^2) through the first linear kernel at the group's shortest N.
void add_guides(json& rows, const Analysis& analysis) {
  for (const auto& run : analysis.runs) {
    for (const auto& group : run.groups) {
      const KernelAnalysis* anchor = nullptr;
      for (const auto& kernel : group.cells.front().kernels) {
        if (anchor == nullptr && kernel.ok() && is_linear(kernel)) anchor = &kernel;
      }
      if (anchor == nullptr || group.cells.size() < 2) continue;
      const auto first = static_cast<double>(group.cells.front().seqlen());
      for (const auto& cell : group.cells) {
        for (const int power : {1, 2}) {
          auto row = group_row(run, group);
          row["kind"] = "guide";
          row["label"] = power == 1 ? "O(N)" : "O(N^2)";
          row["seqlen"] = cell.seqlen();
          row["seconds"] =
              anchor->seconds->estimate * std::pow(static_cast<double>(cell.seqlen()) / first, power);
          rows.push_back(std::move(row));
        }
      }
    }
  }
}

json ceiling_rows_of(const Analysis& analysis) {
  auto rows = json::array();
  for (const auto& run : analysis.runs) {
    for (const auto& c : run.ceilings) {
      rows.push_back({{"run", run.id},
                      {"machine", run.machine},
                      {"quantity", c.quantity},
                      {"dtype", c.dtype},
                      {"path", c.path},
                      {"operation", c.operation},
                      {"bytes", value_json(c.bytes)},
                      {"threads", c.threads},
                      {"value", c.value},
                      {"unit", c.unit}});
    }
  }
  return rows;
}

}  // namespace

json figure_tables(const Analysis& analysis) {
  json tables;
  tables["latency"] = rows_of(analysis, seconds_row, any);
  tables["ratios"] = rows_of(analysis, ratio_row, is_compared);
  tables["windows"] = rows_of(analysis, both_row, is_kind(MechanismKind::swa));
  tables["block_sparse"] =
      marked(rows_of(analysis, ratio_row, is_kind(MechanismKind::block_sparse)), "ratio");
  add_crossovers(tables["block_sparse"], analysis);
  tables["linear"] = marked(rows_of(analysis, both_row, is_linear), "measured");
  add_guides(tables["linear"], analysis);
  tables["heatmap"] = rows_of(analysis, ratio_row, has_ratio);
  tables["dense"] = rows_of(analysis, dense_row, is_dense);
  tables["scaling"] = rows_of(analysis, scaling_row, any);
  tables["roofline"] = rows_of(analysis, roofline_row, any);
  tables["accuracy"] = rows_of(analysis, accuracy_row, any);
  tables["ceilings"] = ceiling_rows_of(analysis);
  return tables;
}

}  // namespace attnbench
