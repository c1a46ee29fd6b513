#include <gmock/gmock.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "report/summary.h"
#include "unit/synthetic_run.h"

namespace attnbench {
namespace {

using nlohmann::json;

json summary_of(const SyntheticRun& run) { return summary_json(analyze(std::span(&run.contents, 1)), {}); }

/// Two cells of one family and one of another; three kernels.
SyntheticRun three_cells() {
  const std::vector<KernelRecord> kernels{SyntheticRun::kernel("mha", "unfused"),
                                          SyntheticRun::kernel("mqa", "unfused"),
                                          SyntheticRun::kernel("linear", "two_gemm")};
  SyntheticRun run;
  run.add_five(run.add_cell(128, kernels), {0.1, -0.7}, {0.02, 0.03});
  run.add_five(run.add_cell(256, kernels), {0.2, 0.7}, {0.03, 0.02}, 2);
  run.add_five(run.add_cell(128, kernels, "layer"), {0.3, 0.1}, {0.03, 0.02}, 3);
  return run;
}

TEST(SummaryTables, KernelsHaveOneOrderWhereSomeStopEarly) {
  const auto dense = SyntheticRun::kernel("mha", "unfused");
  const auto gather = SyntheticRun::kernel("swa(w=64)", "gather");
  const auto masked = SyntheticRun::kernel("swa(w=64)", "masked");
  SyntheticRun run;
  run.add_five(run.add_cell(128, {dense, gather, masked}), {0.1, -0.7}, {0.02, 0.03});
  run.add_five(run.add_cell(256, {dense, masked}), {0.2}, {0.03}, 2);
  const auto tables = summary_of(run)["tables"];
  for (const auto* table : {"kernels", "series"}) {
    for (const auto& row : tables[table]) {
      const auto& kernel = row["kernel_name"];
      EXPECT_EQ(row["order"], kernel == "unfused" ? 0 : kernel == "gather" ? 1 : 2) << table << row;
    }
  }
}

std::set<std::string> changed_pointers(const json& before, const json& after) {
  const auto a = before.flatten();
  const auto b = after.flatten();
  std::set<std::string> changed;
  for (const auto& [pointer, value] : a.items()) {
    if (!b.contains(pointer) || b.at(pointer) != value) changed.insert(pointer);
  }
  for (const auto& [pointer, value] : b.items()) {
    if (!a.contains(pointer)) changed.insert(pointer);
  }
  return changed;
}

/// Where a number that depends on mqa's samples at N = 128, core scope, may stand.
bool may_change(const std::string& pointer, const json& summary) {
  const std::string group = "/runs/0/groups/0/";
  const auto starts = [&](const std::string& prefix) { return pointer.starts_with(prefix); };
  if (starts(group + "cells/0/kernels/1/") || starts(group + "cells/0/best_set") ||
      starts(group + "cells/0/fastest"))
    return true;
  // Holm's procedure spans the family: the other core kernels' adjusted p values.
  if (starts(group + "cells/") && pointer.find("_adjusted") != std::string::npos) return true;
  if (starts(group + "series/1/")) return true;
  if (starts(group + "recommendation/")) {
    const auto at = std::stoul(pointer.substr((group + "recommendation/").size()));
    const auto& row = summary["runs"][0]["groups"][0]["recommendation"][at];
    return row["seqlen"] == 128 && (row["mechanism"].is_null() || row["mechanism"] == "mqa");
  }
  if (starts("/runs/0/layer_effect/")) {
    const auto& row = summary["runs"][0]["layer_effect"][std::stoul(pointer.substr(21))];
    return row["kernel"] == "mqa/unfused@cpu" && row["seqlen"] == 128;
  }
  if (starts("/tables/")) {
    const auto table = pointer.substr(8, pointer.find('/', 8) - 8);
    const auto& row = summary["tables"][table][std::stoul(pointer.substr(9 + table.size()))];
    // A crossover that comes or goes moves the rows behind it; the test compares those by themselves.
    if (table == "crossovers") return true;
    if (pointer.ends_with("/in_best_set")) return row["scope"] == "core" && row["seqlen"] == 128;
    return row["kernel"] == "mqa/unfused@cpu" && row["scope"] == "core" &&
           (table != "kernels" || row["seqlen"] == 128);
  }
  return false;
}

/// Crossovers of all kernels but mqa in core scope.
json other_crossovers(const json& summary) {
  auto rows = json::array();
  for (const auto& row : summary["tables"]["crossovers"]) {
    if (row["kernel"] != "mqa/unfused@cpu" || row["scope"] != "core") rows.push_back(row);
  }
  return rows;
}

TEST(SummaryJson, ScaledSamplesChangeTheNumbersThatRestOnThemAndNoOther) {
  auto run = three_cells();
  const auto before = summary_of(run);
  for (auto& sample : run.contents.processes[1].samples) {
    if (sample.kernel_id == "mqa/unfused@cpu") sample.time_seconds *= 1.5;
  }
  const auto after = summary_of(run);
  const auto changed = changed_pointers(before, after);
  for (const auto& pointer : changed) EXPECT_TRUE(may_change(pointer, after)) << pointer;

  EXPECT_EQ(other_crossovers(before), other_crossovers(after));

  const std::string kernel = "/runs/0/groups/0/cells/0/kernels/1/";
  for (const auto* number : {"seconds/estimate", "seconds/low", "seconds/high", "mad", "max", "cv_between",
                             "ratio/estimate", "ratio/low", "ratio/high", "welch_p",
                             "smallest_detectable_ratio", "by_process/1/seconds", "by_process/1/mean_seconds",
                             "by_process/1/log_ratio", "by_process/1/blocks/0", "by_process/1/blocks/1"}) {
    EXPECT_TRUE(changed.contains(kernel + number)) << number;
  }
  for (const auto* number : {"by_process/0/seconds", "by_process/2/log_ratio", "useful_flops"})
    EXPECT_FALSE(changed.contains(kernel + number)) << number;
  for (const auto* pointer :
       {"/runs/0/groups/0/series/1/exponent/estimate", "/runs/0/groups/0/series/1/steps/0/ratio/estimate",
        "/runs/0/layer_effect/1/share/estimate", "/tables/kernels/1/seconds", "/tables/kernels/1/ratio_low",
        "/tables/series/1/exponent", "/tables/steps/1/ratio"}) {
    EXPECT_TRUE(changed.contains(pointer)) << pointer;
  }

  const auto& process = before["runs"][0]["groups"][0]["cells"][0]["kernels"][1]["by_process"][1];
  const auto& scaled = after["runs"][0]["groups"][0]["cells"][0]["kernels"][1]["by_process"][1];
  EXPECT_NEAR(scaled["seconds"].get<double>(), 1.5 * process["seconds"].get<double>(), 1e-15);
  EXPECT_NEAR(scaled["log_ratio"].get<double>(), process["log_ratio"].get<double>() - std::log(1.5), 1e-12);
}

TEST(SummaryJson, IsTheSameEachTime) {
  EXPECT_EQ(summary_of(three_cells()).dump(), summary_of(three_cells()).dump());
}

TEST(SummaryJson, UnknownIsNull) {
  auto run = three_cells();
  std::erase_if(run.contents.processes, [](const auto& p) { return p.process > 0; });
  const auto summary = summary_of(run);
  const auto& kernel = summary["runs"][0]["groups"][0]["cells"][0]["kernels"][1];
  EXPECT_TRUE(kernel["ratio"]["estimate"].is_number());
  for (const auto* bound : {"low", "high"}) {
    EXPECT_TRUE(kernel["ratio"][bound].is_null());
    EXPECT_TRUE(kernel["seconds"][bound].is_null());
  }
  for (const auto* field : {"verdict", "welch_p", "icc", "mad", "percent_of_compute", "executed_flops",
                            "accuracy", "peak_bytes", "unbatched"})
    EXPECT_TRUE(kernel[field].is_null()) << field;
  EXPECT_EQ(summary["runs"][0]["publishable"], nullptr);
  EXPECT_EQ(summary["runs"][0]["standing"], "orientation: 1 process, not for publication");
}

}  // namespace
}  // namespace attnbench
