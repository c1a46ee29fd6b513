#include "report/summary.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "attnbench/error.h"

namespace attnbench {
namespace {

/// Seconds a call by block, of one kernel (or the alias) in one process. Only valid slots.
using Blocks = std::map<int, double>;
/// The same by kernel id; the alias of the baseline under "alias".
using ProcessBlocks = std::map<std::string, Blocks>;

constexpr const char* kAlias = "alias";

ProcessBlocks blocks_of(const ProcessRecord& process) {
  ProcessBlocks blocks;
  for (const auto& sample : process.samples) {
    if (!sample.valid) continue;
    if (sample.role == "kernel") blocks[sample.kernel_id][sample.block] = sample.time_seconds;
    if (sample.role == "alias") blocks[kAlias][sample.block] = sample.time_seconds;
  }
  return blocks;
}

std::optional<stats::Interval> mean_seconds(const std::vector<ProcessBlocks>& processes,
                                            const std::string& key) {
  std::vector<double> means;
  for (const auto& process : processes) {
    const auto found = process.find(key);
    if (found == process.end()) continue;
    std::vector<double> times;
    for (const auto& [block, seconds] : found->second) times.push_back(seconds);
    means.push_back(stats::mean(times));
  }
  if (means.empty()) return std::nullopt;
  return stats::mean_interval(means);
}

std::optional<stats::Interval> paired_ratio(const std::vector<ProcessBlocks>& processes,
                                            const std::string& baseline, const std::string& key) {
  std::vector<double> logs;
  for (const auto& process : processes) {
    const auto of_baseline = process.find(baseline);
    const auto of_kernel = process.find(key);
    if (of_baseline == process.end() || of_kernel == process.end()) continue;
    std::vector<stats::BlockPair> pairs;
    for (const auto& [block, seconds] : of_kernel->second) {
      if (const auto other = of_baseline->second.find(block); other != of_baseline->second.end())
        pairs.push_back({other->second, seconds});
    }
    if (!pairs.empty()) logs.push_back(stats::paired_log_ratio(pairs));
  }
  if (logs.empty()) return std::nullopt;
  return stats::ratio_interval(logs);
}

/// Why a kernel without values has none: the reason most of its slots give.
std::string reason_of_slots(const std::vector<ProcessRecord>& processes, const std::string& kernel_id) {
  std::map<std::string, int> counts;
  for (const auto& process : processes) {
    for (const auto& sample : process.samples) {
      if (sample.kernel_id == kernel_id && sample.role == "kernel" && !sample.valid) ++counts[sample.reason];
    }
  }
  const auto most = std::max_element(counts.begin(), counts.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most != counts.end()) return most->first;
  return processes.empty() ? "no process was run" : "no valid process has times of it";
}

struct Trouble {
  std::string status, reason;
};

std::optional<Trouble> trouble_of(const KernelRecord& kernel, const std::string& cell_id,
                                  const std::vector<VerificationRecord>& verifications,
                                  const std::vector<FailureRecord>& failures) {
  if (!kernel.support_reason.empty()) return Trouble{"unsupported", kernel.support_reason};
  const auto id = kernel.id();
  for (const auto& v : verifications) {
    if (v.cell_id == cell_id && v.kernel_id == id && !v.passed) return Trouble{"wrong", v.reason};
  }
  if (!kernel.quarantine_reason.empty()) return Trouble{"quarantined", kernel.quarantine_reason};
  for (const auto& f : failures) {
    if (f.cell_id == cell_id && (f.kernel_id == id || f.kernel_id.empty()))
      return Trouble{"failed", fmt::format("{}: {}", f.stage, f.reason)};
  }
  return std::nullopt;
}

KernelSummary summarize_kernel(const KernelRecord& kernel, const std::vector<ProcessBlocks>& valid,
                               const std::string& baseline) {
  KernelSummary entry{kernel, "ok", {}, 0, {}, {}};
  const auto id = kernel.id();
  entry.seconds = mean_seconds(valid, id);
  entry.ratio = paired_ratio(valid, baseline, id);
  entry.processes = static_cast<int>(
      std::count_if(valid.begin(), valid.end(), [&](const auto& blocks) { return blocks.contains(id); }));
  return entry;
}

}  // namespace

bool canonically_before(const KernelRecord& a, const KernelRecord& b) {
  const auto key = [](const KernelRecord& kernel) {
    const auto m = parse_mechanism(kernel.mechanism);
    return std::make_tuple(m.kind, m.num_kv_heads, m.window, m.block_size, m.globals, m.causal_bottom_right);
  };
  return key(a) < key(b);
}

RunSummary summarize(const Store& store, std::int64_t run_id) {
  RunSummary summary;
  const auto runs = store.runs();
  const auto stored = std::find_if(runs.begin(), runs.end(), [&](const auto& r) { return r.id == run_id; });
  if (stored == runs.end()) throw InputError("run", std::to_string(run_id), "is not in " + store.file());
  summary.run = stored->run;
  const auto verifications = store.verifications(run_id);
  const auto failures = store.failures(run_id);

  for (auto& cell : store.cells(run_id)) {
    CellSummary result;
    const auto processes = store.processes(run_id, cell.cell_id);
    std::vector<ProcessBlocks> valid;
    for (const auto& process : processes) {
      if (process.valid)
        valid.push_back(blocks_of(process));
      else
        result.invalid_reasons.push_back(process.reason);
    }
    result.valid_processes = static_cast<int>(valid.size());
    const auto trouble = [&](const KernelRecord& kernel) {
      return trouble_of(kernel, cell.cell_id, verifications, failures);
    };
    std::string usable_baseline;
    for (const auto& kernel : cell.kernels) {
      if (!kernel.is_baseline) continue;
      result.baseline = kernel.id();
      if (!trouble(kernel)) usable_baseline = result.baseline;
    }
    result.aa_ratio = paired_ratio(valid, usable_baseline, kAlias);

    for (const auto& kernel : cell.kernels) {
      auto entry = summarize_kernel(kernel, valid, usable_baseline);
      if (const auto why = trouble(kernel)) {
        entry = {kernel, why->status, why->reason, 0, {}, {}};
      } else if (!entry.seconds) {
        entry = {kernel, "not measured", reason_of_slots(processes, kernel.id()), 0, {}, {}};
      }
      result.kernels.push_back(std::move(entry));
    }
    std::stable_sort(result.kernels.begin(), result.kernels.end(),
                     [](const auto& a, const auto& b) { return canonically_before(a.kernel, b.kernel); });
    result.cell = std::move(cell);
    summary.cells.push_back(std::move(result));
  }
  return summary;
}

std::string standing(const RunSummary& summary) {
  if (summary.run.profile == "published") return "published means, no variance published";
  if (summary.run.profile == "publish") return {};
  int fewest = 0;
  int most = 0;
  for (const auto& cell : summary.cells) {
    fewest = &cell == &summary.cells.front() ? cell.valid_processes : std::min(fewest, cell.valid_processes);
    most = std::max(most, cell.valid_processes);
  }
  const auto range = fewest == most ? std::to_string(most) : fmt::format("{} to {}", fewest, most);
  const bool unguarded = summary.run.environment.value("noise_guard", "on") == "off";
  return fmt::format("orientation: {} process{}, not for publication{}", range, most == 1 ? "" : "es",
                     unguarded ? "; noise guard off" : "");
}

}  // namespace attnbench
