#pragma once

#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "analysis/analysis.h"
#include "core/decisions.h"
#include "store/records.h"

namespace attnbench {

/// A run whose samples are what the test says.
class SyntheticRun {
 public:
  explicit SyntheticRun(const std::string& profile = "spec") {
    contents.run.study = "synthetic";
    contents.run.profile = profile;
    contents.run.plan_hash = "aa11";
    contents.run.build_id = "bb22";
    contents.run.machine_key = "0123456789abcdef";
    *contents.run.plan = {{"profile", {{"processes", {5}}}}};
    *contents.run.environment = {{"cpu", {{"model", "Test CPU"}}}};
  }

  static KernelRecord kernel(const std::string& mechanism, const std::string& algorithm) {
    KernelRecord kernel{mechanism, algorithm, "cpu", "", mechanism == "mqa" ? 1 : 8, "", false, 1, ""};
    kernel.form = form_of(algorithm);
    return kernel;
  }

  /// The first kernel is the baseline. Cells of scope "layer" have d_model 512.
  CellRecord& add_cell(std::int64_t seqlen, std::vector<KernelRecord> kernels,
                       const std::string& scope = "core") {
    CellRecord cell;
    const auto n = std::to_string(seqlen);
    cell.cell_id = scope + "-prefill-hot-f32-bhsd-b1-h8-q" + n + "-kv" + n + "-d64-t2";
    cell.device = "cpu";
    cell.threads = 2;
    cell.condition = "hot";
    cell.phase = "prefill";
    cell.scope = scope;
    cell.shape.num_q_heads = 8;
    cell.shape.seqlen_q = cell.shape.seqlen_kv = seqlen;
    cell.shape.softmax_scale = 0.125;
    if (scope == "layer") cell.shape.d_model = 512;
    cell.kernels = std::move(kernels);
    cell.kernels.front().is_baseline = true;
    return contents.cells.emplace_back(std::move(cell));
  }

  /// Adds a process to the cell: seconds(kernel, block) a sample; the alias takes the baseline's times, times
  /// `alias_factor`.
  ProcessRecord& add_process(const CellRecord& cell, int number, int blocks,
                             const std::function<double(std::size_t, int)>& seconds,
                             double alias_factor = 1) {
    ProcessRecord process;
    process.cell_id = cell.cell_id;
    process.process = number;
    process.noise = nlohmann::json::object();
    process.kernels = nlohmann::json::object();
    for (int block = 0; block < blocks; ++block) {
      for (std::size_t k = 0; k < cell.kernels.size(); ++k) {
        process.samples.push_back(
            {block, static_cast<int>(k), "kernel", cell.kernels[k].id(), 1, seconds(k, block), 0, true, ""});
      }
      process.samples.push_back(
          {block, 90, "alias", cell.kernels[0].id(), 1, seconds(0, block) * alias_factor, 0, true, ""});
      process.samples.push_back({block, 91, "sentinel", "", 1, 1e-3, 0, true, ""});
    }
    return contents.processes.emplace_back(std::move(process));
  }

  /// Five processes of two equal blocks: the baseline takes 1 ms times `scale`, kernel k (from 1)
  /// exp(-(logs[k - 1] + steps[k - 1] d)) of that with d = -2, -1, 0, 1, 2 over the processes.
  void add_five(const CellRecord& cell, const std::vector<double>& logs, const std::vector<double>& steps,
                double scale = 1) {
    for (int p = 0; p < 5; ++p) {
      add_process(cell, p, 2, [&](std::size_t k, int) {
        if (k == 0) return scale * 1e-3;
        return scale * 1e-3 * std::exp(-(logs[k - 1] + steps[k - 1] * (p - 2)));
      });
    }
  }

  RunContents contents;
};

inline RunAnalysis analyzed(const SyntheticRun& run) { return analyze(std::span(&run.contents, 1)).runs[0]; }

}  // namespace attnbench
