#include "analysis/cell_analysis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "analysis/format.h"
#include "analysis/kernel_work.h"
#include "analysis/looks.h"
#include "analysis/process_times.h"
#include "analysis/recheck.h"
#include "analysis/standing.h"
#include "analysis/start_up.h"
#include "plan/study.h"
#include "stats/constants.h"
#include "stats/contrast.h"
#include "stats/cv_interval.h"
#include "stats/intervals.h"
#include "stats/modes.h"
#include "stats/power.h"
#include "stats/process_value.h"
#include "stats/variance_components.h"

namespace attnbench {
namespace {

struct Trouble {
  std::string status, reason;
};

constexpr std::string_view kImpossible = "IMPOSSIBLE: ";

/// A rate above what the machine can do, in one valid process, is enough.
std::optional<Trouble> impossible(const CellInput& input, const std::string& kernel_id) {
  for (const auto* process : input.processes) {
    if (!process->valid) continue;
    for (const auto& sample : process->samples) {
      const bool counts = sample.kernel_id == kernel_id && sample.role == "kernel" && !sample.valid;
      if (counts && sample.reason.starts_with(kImpossible))
        return Trouble{"impossible", sample.reason.substr(kImpossible.size())};
    }
  }
  return std::nullopt;
}

std::optional<Trouble> trouble_of(const CellInput& input, const KernelRecord& kernel) {
  if (!kernel.support_reason.empty()) return Trouble{"unsupported", kernel.support_reason};
  const auto id = kernel.id();
  for (const auto* v : input.verifications) {
    if (v->kernel_id == id && !v->passed) return Trouble{"wrong", v->reason};
  }
  if (!kernel.quarantine_reason.empty()) return Trouble{"quarantined", kernel.quarantine_reason};
  for (const auto* f : input.failures) {
    if (f->kernel_id == id || f->kernel_id.empty())
      return Trouble{"failed", fmt::format("{}: {}", f->stage, f->reason)};
  }
  return impossible(input, id);
}

/// Why a kernel without values has none: the reason most of its slots give.
std::string reason_of_slots(const CellInput& input, const std::string& kernel_id) {
  std::map<std::string, int> counts;
  for (const auto* process : input.processes) {
    for (const auto& sample : process->samples) {
      if (sample.kernel_id == kernel_id && sample.role == "kernel" && !sample.valid) ++counts[sample.reason];
    }
  }
  const auto most = std::max_element(counts.begin(), counts.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most != counts.end()) return most->first;
  return input.processes.empty() ? "no process was run" : "no valid process has times of it";
}

/// Why a kernel that passed verification is not to be ranked, by that or by the last check of a process.
std::string why_inexact(const CellInput& input, const std::string& kernel_id) {
  for (const auto* v : input.verifications) {
    if (v->kernel_id == kernel_id && v->passed && !v->reason.empty()) return v->reason;
  }
  return recheck_of(input.processes, kernel_id).unranked;
}

/// A figure of the kernel that the conductor recorded beside the samples.
std::optional<double> told(const CellInput& input, const std::string& kernel_id, const char* figure) {
  for (const auto* process : input.processes) {
    if (!process->kernels->is_object()) continue;
    const auto kernel = process->kernels->find(kernel_id);
    if (kernel == process->kernels->end() || !kernel->is_object()) continue;
    const auto value = kernel->find(figure);
    if (value != kernel->end() && value->is_number()) return value->get<double>();
  }
  return std::nullopt;
}

void add_verification(KernelAnalysis& k, const CellInput& input) {
  const auto id = k.id();
  for (const auto* v : input.verifications) {
    if (v->kernel_id != id) continue;
    k.accuracy = Accuracy{v->max_error, v->plain_error, v->tolerance};
    k.peak_bytes = v->peak_bytes;
    k.workspace_bytes = v->workspace_bytes;
  }
}

/// What needs the variance between processes or the times of single blocks.
void add_spread(KernelAnalysis& k) {
  std::vector<std::vector<double>> blocks;
  std::vector<double> means, all;
  for (const auto& process : k.by_process) {
    blocks.push_back(process.blocks);
    means.push_back(process.mean_seconds);
    all.insert(all.end(), process.blocks.begin(), process.blocks.end());
  }
  const auto seconds = process_seconds(k.by_process);
  k.median = stats::median_interval(seconds);
  k.min = *std::min_element(all.begin(), all.end());
  k.max = *std::max_element(all.begin(), all.end());
  const double mean = stats::mean(means);
  constexpr double kRounding = 1e-9;  // of an interval without width
  if (mean < (1 - kRounding) * k.seconds->low || mean > (1 + kRounding) * k.seconds->high)
    k.mean_seconds = mean;
  if (seconds.size() < 2) return;
  k.mad = stats::median_absolute_deviation(seconds);
  const double cv_between = stats::cv_interval(log_seconds(k.by_process)).estimate;
  if (const auto v = stats::variance_components(blocks))
    k.spread = Spread{v->cv_within(), cv_between, v->intraclass_correlation(), v->design_effect()};
}

/// "in 6 of 12 processes" where not every process has all its blocks of the kernel.
std::string partial(std::span<const ProcessBlocks> processes, const std::string& kernel_id) {
  const auto whole = std::count_if(processes.begin(), processes.end(), [&](const ProcessBlocks& process) {
    const auto own = process.times.find(kernel_id);
    return own != process.times.end() &&
           std::all_of(process.times.begin(), process.times.end(), [&](const auto& other) {
             return std::all_of(other.second.begin(), other.second.end(),
                                [&](const auto& block) { return own->second.contains(block.first); });
           });
  });
  return whole == std::ssize(processes) ? "" : fmt::format("in {} of {} processes", whole, processes.size());
}

/// A cell's processes, by their number.
struct Processes {
  std::vector<ProcessBlocks> judged, later;
};

/// Whether a rejected process was measured to its end: all that a judged one has.
bool is_complete(const ProcessBlocks& process, const ProcessBlocks& judged) {
  return std::all_of(judged.times.begin(), judged.times.end(), [&](const auto& kernel) {
    const auto own = process.times.find(kernel.first);
    return own != process.times.end() && own->second.size() == kernel.second.size();
  });
}

Processes processes_of(const CellInput& input, CellAnalysis& result) {
  Processes all;
  std::vector<ProcessBlocks> rejected;
  for (const auto* process : input.processes) {
    if (process->valid) {
      all.judged.push_back(blocks_of(*process));
      continue;
    }
    result.invalid_reasons.push_back(process->reason);
    if (!is_rejected(*process)) continue;
    ++result.rejected_processes;
    rejected.push_back(blocks_of(*process));
  }
  std::stable_sort(all.judged.begin(), all.judged.end(),
                   [](const auto& a, const auto& b) { return a.process < b.process; });
  result.valid_processes = static_cast<int>(all.judged.size());
  result.judged_processes = judged_processes(input.run, result.valid_processes);
  all.later.assign(all.judged.begin() + result.judged_processes, all.judged.end());
  all.judged.resize(static_cast<std::size_t>(result.judged_processes));
  if (!input.with_rejected || all.judged.empty()) return all;
  for (auto& process : rejected) {
    if (is_complete(process, all.judged.front())) all.judged.push_back(std::move(process));
  }
  result.judged_processes = static_cast<int>(all.judged.size());
  return all;
}

/// For a kernel without a value of a valid process.
void add_rejected(KernelAnalysis& k, const CellInput& input) {
  std::vector<double> seconds;
  for (const auto* process : input.processes) {
    if (!is_rejected(*process)) continue;
    const auto blocks = blocks_of(*process);
    if (const auto times = times_of({&blocks, 1}, "", k.id()); !times.empty())
      seconds.push_back(times.front().seconds);
  }
  if (seconds.empty()) return;
  k.rejected = RejectedTimes{stats::median(seconds), static_cast<int>(seconds.size())};
  const auto unit = unit_for(k.rejected->seconds);
  k.reason =
      fmt::format("rejected processes alone have times of it: {} {}, the median of {}",
                  three_digits(k.rejected->seconds * unit.per_second), unit.name, k.rejected->processes);
}

void add_times(KernelAnalysis& k, const CellInput& input, const Processes& processes,
               std::span<const ProcessTimes> baseline_times, const std::string& baseline) {
  k.by_process = times_of(processes.judged, baseline, k.id());
  k.later = times_of(processes.later, baseline, k.id());
  k.processes = static_cast<int>(k.by_process.size());
  if (k.by_process.empty()) {
    k.status = "not measured";
    k.reason = reason_of_slots(input, k.id());
    add_rejected(k, input);
    return;
  }
  k.seconds = stats::time_interval(log_seconds(k.by_process));
  const auto logs = log_ratios(k.by_process);
  k.modes = stats::has_modes(logs);
  if (!logs.empty()) k.ratio = stats::exponential(stats::process_interval(logs));
  if (input.run.profile == "published") return;
  const auto missing = partial(processes.judged, k.id());
  k.unranked += (k.unranked.empty() || missing.empty() ? "" : "; ") + missing;
  add_spread(k);
  k.unbatched = unbatched_times(processes.judged, k.id());
  if (k.kernel.is_baseline || logs.size() < 2) return;
  k.wide = input.run.profile == "publish" && stats::relative_half_width(*k.ratio) > kPublishRatioHalfWidth;
  k.welch_p =
      stats::welch_difference(process_seconds(baseline_times), process_seconds(k.by_process)).two_sided_p();
  const double log_sd = stats::standard_deviation(logs);
  if (log_sd > 0)
    k.smallest_detectable_ratio = stats::smallest_detectable_ratio(log_sd, static_cast<int>(logs.size()));
}

}  // namespace

CellAnalysis analyze_cell(const CellInput& input, std::vector<double>& aa_logs) {
  CellAnalysis result;
  result.cell = input.cell;
  const auto processes = processes_of(input, result);
  if (input.run.profile != "published")
    result.share_not_excluded = stats::share_not_excluded(static_cast<std::size_t>(result.judged_processes));

  std::string usable_baseline;
  for (const auto& kernel : input.cell.kernels) {
    if (!kernel.is_baseline || !why_inexact(input, kernel.id()).empty()) continue;
    result.baseline = kernel.id();
    if (!trouble_of(input, kernel)) usable_baseline = result.baseline;
  }
  const auto baseline_times = times_of(processes.judged, usable_baseline, usable_baseline);
  aa_logs = log_ratios(times_of(processes.judged, usable_baseline, kAliasKey));

  const auto ceilings = stored_ceilings(input.run, input.cell.device, input.cell.threads);
  for (const auto& kernel : input.cell.kernels) {
    KernelAnalysis k;
    k.kernel = kernel;
    k.kernel.is_baseline = kernel.id() == result.baseline;
    k.status = "ok";
    if (auto why = trouble_of(input, kernel)) {
      k.status = why->status;
      k.reason = why->reason;
    } else {
      k.unranked = why_inexact(input, k.id());
      k.inexact = !k.unranked.empty();
      add_times(k, input, processes, baseline_times, usable_baseline);
    }
    k.implementation = recheck_of(input.processes, k.id()).implementation;
    add_verification(k, input);
    const auto seconds = k.seconds ? std::optional(k.seconds->estimate) : std::nullopt;
    k.work = analyze_work(input.cell, kernel, seconds, told(input, k.id(), "executed_flops"), ceilings);
    k.work.moved_bytes = told(input, k.id(), "moved_bytes");
    k.start_up = start_up_of(input.processes, k.id());
    result.kernels.push_back(std::move(k));
  }
  set_pay_off(result);
  std::stable_sort(result.kernels.begin(), result.kernels.end(),
                   [](const auto& a, const auto& b) { return canonically_before(a.kernel, b.kernel); });
  return result;
}

}  // namespace attnbench
