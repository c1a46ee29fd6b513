#include "analysis/standing.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "analysis/format.h"
#include "stats/constants.h"
#include "stats/intervals.h"
#include "store/noise_flags.h"

namespace attnbench {
namespace {

using nlohmann::json;

/// Of the processes that count; more is too noisy to publish.
constexpr double kMostRejected = 0.2;
/// Flags and rejects nothing: nobody has measured how much slower the sentinel is on efficiency cores.
constexpr double kSlowSentinel = 1.25;

std::string name_of(const GroupAnalysis& group, const CellAnalysis& cell) {
  return fmt::format("{}, N = {}", group.heading, cell.seqlen());
}

/// What makes the whole run not publishable.
std::vector<std::string> marks_of_run(const RunAnalysis& run) {
  std::vector<std::string> marks;
  const auto& noise = run.noise;
  if (noise.rejected > kMostRejected * noise.processes) {
    marks.push_back(fmt::format("{} of {} processes rejected for noise, more than {:.0f} %", noise.rejected,
                                noise.processes, 100 * kMostRejected));
  }
  if (noise_guard_was_off(run.run)) marks.emplace_back("noise guard off");
  for (const auto& group : run.groups) {
    for (const auto& cell : group.cells) {
      if (cell.aa && cell.aa->fails_gate) {
        marks.push_back(fmt::format("{}: the baseline against itself gives {}, 95 % CI {}",
                                    name_of(group, cell), ratio_text(cell.aa->ratio.estimate),
                                    range_text(cell.aa->ratio)));
      }
    }
  }
  return marks;
}

/// The cells that are not, each with its reason.
std::vector<std::string> marks_of_cells(const RunAnalysis& run) {
  std::vector<std::string> marks;
  for (const auto& group : run.groups) {
    for (const auto& cell : group.cells) {
      if (!cell.withheld.empty()) marks.push_back(fmt::format("{}: {}", name_of(group, cell), cell.withheld));
    }
  }
  return marks;
}

void set_publishable(RunAnalysis& run) {
  const auto of_run = marks_of_run(run);
  const auto of_cells = marks_of_cells(run);
  std::size_t cells = 0;
  for (const auto& group : run.groups) cells += group.cells.size();
  run.marks = of_run;
  run.marks.insert(run.marks.end(), of_cells.begin(), of_cells.end());
  if (!of_run.empty() || of_cells.size() == cells) {
    run.publishable = Publishable::no;
    run.mark = fmt::format("NOT PUBLISHABLE: {}", fmt::join(run.marks, "; "));
  } else if (!of_cells.empty()) {
    run.publishable = Publishable::in_part;
    run.mark = fmt::format("PUBLISHABLE IN PART: {} of {} cells, not {}", cells - of_cells.size(), cells,
                           fmt::join(of_cells, "; not "));
  } else {
    run.publishable = Publishable::yes;
  }
}

/// Whether the machine has cores of several kinds, as it said when the run began.
bool has_slower_cores(const RunRecord& run) {
  const json::json_pointer place("/cpu/core_kinds");
  return run.environment->contains(place) && run.environment->at(place).size() > 1;
}

/// Sets the flag of a sentinel that took kSlowSentinel times as long as in the fastest valid process with as
/// many threads, or longer.
void flag_slow_sentinels(const RunContents& contents, NoiseAnalysis& noise) {
  if (!has_slower_cores(contents.run)) return;
  std::map<std::string, int> threads;
  for (const auto& cell : contents.cells) threads[cell.cell_id] = cell.threads;
  std::vector<double> medians;
  std::map<int, double> fastest;  // by threads
  for (const auto& process : contents.processes) {
    std::vector<double> seconds;
    for (const auto& sample : process.samples) {
      if (sample.role == "sentinel" && sample.valid) seconds.push_back(sample.time_seconds);
    }
    medians.push_back(seconds.empty() ? 0 : stats::median(seconds));
    if (seconds.empty() || !process.valid) continue;
    auto& least = fastest.try_emplace(threads[process.cell_id], medians.back()).first->second;
    least = std::min(least, medians.back());
  }
  for (std::size_t i = 0; i < medians.size(); ++i) {
    const auto least = fastest.find(threads[contents.processes[i].cell_id]);
    if (least != fastest.end() && medians[i] >= kSlowSentinel * least->second)
      noise.by_process[i].flags.push_back(fmt::format(
          "the sentinel took {:g} times as long as in the fastest process, or longer", kSlowSentinel));
  }
}

std::string standing_of(const RunAnalysis& run) {
  if (run.published) return "published means, no variance published";
  if (run.run.profile == "publish") return {};
  std::vector<int> processes;
  for (const auto& group : run.groups) {
    for (const auto& cell : group.cells) processes.push_back(cell.judged_processes);
  }
  const auto [fewest, most] = std::minmax_element(processes.begin(), processes.end());
  const int low = processes.empty() ? 0 : *fewest;
  const int high = processes.empty() ? 0 : *most;
  const auto range = low == high ? std::to_string(high) : fmt::format("{} to {}", low, high);
  const bool unguarded = noise_guard_was_off(run.run);
  const bool earlier_ceilings = run.run.environment->contains("ceilings_measured_before");
  return fmt::format("orientation: {} process{}, not for publication{}{}", range, high == 1 ? "" : "es",
                     unguarded ? "; noise guard off" : "",
                     earlier_ceilings ? "; ceilings measured before the run" : "");
}

}  // namespace

std::string_view to_string(Publishable publishable) {
  switch (publishable) {
    case Publishable::yes:
      return "yes";
    case Publishable::in_part:
      return "in part";
    case Publishable::no:
      break;
  }
  return "no";
}

bool is_rejected(const ProcessRecord& process) {
  return !process.valid && process.reason != "interrupted" && !process.reason.starts_with("re-planned");
}

NoiseAnalysis summarize_noise(const RunContents& contents) {
  NoiseAnalysis noise;
  std::map<std::string, NoiseReason> reasons;  // by their words before the first number
  for (const auto& process : contents.processes) {
    noise.by_process.push_back({process.cell_id, process.process, process.valid, process.reason,
                                process.noise, noise_flags(*process.noise)});
    const bool rejected = is_rejected(process);
    noise.processes += process.valid || rejected;
    noise.interrupted += !process.valid && !rejected;
    if (!rejected) continue;
    ++noise.rejected;
    auto& kind = reasons[process.reason.substr(0, process.reason.find_first_of("0123456789"))];
    if (++kind.count == 1) {
      kind.reason = process.reason;
      kind.cell_id = process.cell_id;
    }
  }
  for (const auto& [words, kind] : reasons) noise.reasons.push_back(kind);
  flag_slow_sentinels(contents, noise);
  std::map<std::string, int> flagged;
  for (const auto& process : noise.by_process) {
    if (!process.valid) continue;
    for (const auto& flag : process.flags) ++flagged[flag];
  }
  for (const auto& [flag, count] : flagged) noise.flags.push_back({flag, count});
  return noise;
}

void set_standing(RunAnalysis& run) {
  for (const auto& group : run.groups) {
    for (const auto& cell : group.cells) {
      for (const auto& kernel : cell.kernels) {
        if (kernel.wide)
          run.wide.push_back({cell.cell.cell_id, kernel.id(), stats::relative_half_width(*kernel.ratio)});
      }
    }
  }
  run.standing = standing_of(run);
  run.mark = run.standing;
  if (run.run.profile == "publish") set_publishable(run);
}

}  // namespace attnbench
