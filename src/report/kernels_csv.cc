#include "report/kernels_csv.h"

#include <fmt/format.h>

#include <functional>
#include <vector>

#include "analysis/format.h"
#include "store/csv.h"

namespace attnbench {
namespace {

struct Row {
  const RunAnalysis& run;
  const GroupAnalysis& group;
  const CellAnalysis& cell;
  const KernelAnalysis& kernel;
};

struct CsvColumn {
  const char* name;
  std::function<std::string(const Row&)> text;
};

template <typename T>
std::string optional_text(const std::optional<T>& value) {
  return value ? fmt::format("{}", *value) : "";
}

using Bound = double stats::Interval::*;

/// Estimates are always known where there is an interval; bounds where both are.
std::string bound_text(const std::optional<stats::Interval>& interval, Bound bound) {
  if (!interval || (bound != &stats::Interval::estimate && !interval->is_bounded())) return "";
  return fmt::format("{}", (*interval).*bound);
}

const std::vector<CsvColumn>& columns() {
  using I = stats::Interval;
  static const std::vector<CsvColumn> list = {
      {"machine", [](const Row& r) { return r.run.machine; }},
      {"study", [](const Row& r) { return r.run.run.study; }},
      {"profile", [](const Row& r) { return r.run.run.profile; }},
      {"cell_id", [](const Row& r) { return r.cell.cell.cell_id; }},
      {"device", [](const Row& r) { return r.cell.cell.device; }},
      {"threads", [](const Row& r) { return std::to_string(r.cell.cell.threads); }},
      {"scope", [](const Row& r) { return r.cell.cell.scope; }},
      {"phase", [](const Row& r) { return r.cell.cell.phase; }},
      {"condition", [](const Row& r) { return r.cell.cell.condition; }},
      {"dtype", [](const Row& r) { return r.group.dtype; }},
      {"seqlen", [](const Row& r) { return std::to_string(r.cell.seqlen()); }},
      {"mechanism", [](const Row& r) { return r.kernel.kernel.mechanism; }},
      {"kernel", [](const Row& r) { return r.kernel.kernel.kernel; }},
      {"engine", [](const Row& r) { return r.kernel.kernel.engine; }},
      {"path", [](const Row& r) { return r.kernel.kernel.path; }},
      {"status", [](const Row& r) { return r.kernel.status; }},
      {"reason", [](const Row& r) { return r.kernel.reason; }},
      {"processes", [](const Row& r) { return std::to_string(r.kernel.processes); }},
      {"seconds", [](const Row& r) { return bound_text(r.kernel.seconds, &I::estimate); }},
      {"seconds_low", [](const Row& r) { return bound_text(r.kernel.seconds, &I::low); }},
      {"seconds_high", [](const Row& r) { return bound_text(r.kernel.seconds, &I::high); }},
      {"mean_seconds", [](const Row& r) { return optional_text(r.kernel.mean_seconds); }},
      {"baseline", [](const Row& r) { return r.cell.baseline; }},
      {"ratio", [](const Row& r) { return bound_text(r.kernel.ratio, &I::estimate); }},
      {"ratio_low", [](const Row& r) { return bound_text(r.kernel.ratio, &I::low); }},
      {"ratio_high", [](const Row& r) { return bound_text(r.kernel.ratio, &I::high); }},
      {"verdict",
       [](const Row& r) {
         return r.kernel.judgement ? std::string(stats::to_string(r.kernel.judgement->verdict)) : "";
       }},
      {"margin",
       [](const Row& r) {
         return r.kernel.judgement ? fmt::format("{:.4g}", r.kernel.judgement->margin_ratio - 1) : "";
       }},
      {"unranked", [](const Row& r) { return r.kernel.unranked; }},
      {"ran", [](const Row& r) { return r.kernel.implementation ? r.kernel.implementation->ran : ""; }},
      {"known_by",
       [](const Row& r) {
         if (!r.kernel.is_confirmed()) return std::string(kNotConfirmed);
         return r.kernel.implementation ? r.kernel.implementation->known_by : "";
       }},
      {"modes", [](const Row& r) { return std::string(r.kernel.modes ? "true" : "false"); }},
      {"wide", [](const Row& r) { return std::string(r.kernel.wide ? "true" : "false"); }},
      {"withheld", [](const Row& r) { return r.cell.withheld; }},
      {"unbatched_p95",
       [](const Row& r) { return r.kernel.unbatched ? fmt::format("{}", r.kernel.unbatched->p95) : ""; }},
      {"useful_flops", [](const Row& r) { return fmt::format("{}", r.kernel.work.useful_flops); }},
      {"executed_flops", [](const Row& r) { return optional_text(r.kernel.work.executed_flops); }},
      {"compulsory_bytes", [](const Row& r) { return fmt::format("{}", r.kernel.work.compulsory_bytes); }},
      {"moved_bytes", [](const Row& r) { return optional_text(r.kernel.work.moved_bytes); }},
      {"percent_of_compute", [](const Row& r) { return optional_text(r.kernel.work.percent_of_compute); }},
      {"percent_of_compute_executed",
       [](const Row& r) { return optional_text(r.kernel.work.percent_of_compute_executed); }},
      {"percent_of_bandwidth",
       [](const Row& r) { return optional_text(r.kernel.work.percent_of_bandwidth); }},
      {"bound", [](const Row& r) { return r.kernel.work.bound; }},
      {"max_error",
       [](const Row& r) { return r.kernel.accuracy ? fmt::format("{}", r.kernel.accuracy->max_error) : ""; }},
      {"tolerance",
       [](const Row& r) { return r.kernel.accuracy ? fmt::format("{}", r.kernel.accuracy->tolerance) : ""; }},
      {"peak_bytes", [](const Row& r) { return optional_text(r.kernel.peak_bytes); }},
      {"function", [](const Row& r) { return r.kernel.function; }},
      {"keys_share", [](const Row& r) { return fmt::format("{}", r.kernel.keys_share); }},
      {"dense", [](const Row& r) { return r.group.dense; }},
      {"causal_dense", [](const Row& r) { return r.group.causal_dense; }},
      {"to_dense", [](const Row& r) { return bound_text(r.kernel.to_dense, &I::estimate); }},
      {"to_dense_low", [](const Row& r) { return bound_text(r.kernel.to_dense, &I::low); }},
      {"to_dense_high", [](const Row& r) { return bound_text(r.kernel.to_dense, &I::high); }},
  };
  return list;
}

}  // namespace

std::string kernels_csv(const Analysis& analysis) {
  std::string text;
  const char* separator = "";
  for (const auto& column : columns()) {
    text += separator + std::string(column.name);
    separator = ",";
  }
  text += '\n';
  for (const auto& run : analysis.runs) {
    for (const auto& group : run.groups) {
      for (const auto& cell : group.cells) {
        for (const auto& kernel : cell.kernels) {
          separator = "";
          for (const auto& column : columns()) {
            text += separator + csv_field(column.text({run, group, cell, kernel}));
            separator = ",";
          }
          text += '\n';
        }
      }
    }
  }
  return text;
}

}  // namespace attnbench
