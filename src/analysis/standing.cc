#include "analysis/standing.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "analysis/format.h"

namespace attnbench {
namespace {

/// Of the processes that count; more is too noisy to publish.
constexpr double kMostRejected = 0.2;

bool counts(const ProcessRecord& process) {
  return process.valid || (process.reason != "interrupted" && !process.reason.starts_with("re-planned"));
}

/// The first number of processes at which a cell may stop; 0 where the plan does not say.
int fewest_planned(const RunRecord& run) {
  const nlohmann::json::json_pointer looks("/profile/processes");
  if (!run.plan.is_object() || !run.plan.contains(looks)) return 0;
  const auto& list = run.plan.at(looks);
  return list.is_array() && !list.empty() && list[0].is_number_integer() ? list[0].get<int>() : 0;
}

std::string name_of(const GroupAnalysis& group, const CellAnalysis& cell) {
  return fmt::format("{}, N = {}", group.heading, cell.seqlen());
}

std::vector<std::string> marks_of(const RunAnalysis& run) {
  std::vector<std::string> marks;
  const auto& noise = run.noise;
  if (noise.rejected > kMostRejected * noise.processes) {
    marks.push_back(fmt::format("{} of {} processes rejected for noise, more than {:.0f} %", noise.rejected,
                                noise.processes, 100 * kMostRejected));
  }
  if (run.run.environment.value("noise_guard", "on") == "off") marks.emplace_back("noise guard off");
  const int planned = fewest_planned(run.run);
  for (const auto& group : run.groups) {
    for (const auto& cell : group.cells) {
      if (cell.valid_processes < std::max(planned, 1)) {
        marks.push_back(fmt::format("{}: {} of at least {} processes", name_of(group, cell),
                                    cell.valid_processes, std::max(planned, 1)));
      }
      if (cell.aa && cell.aa->fails_gate) {
        marks.push_back(fmt::format("{}: the baseline against itself gives {}, 95 % CI {}",
                                    name_of(group, cell), ratio_text(cell.aa->ratio.estimate),
                                    range_text(cell.aa->ratio)));
      }
    }
  }
  return marks;
}

std::string standing_of(const RunAnalysis& run) {
  if (run.published) return "published means, no variance published";
  if (run.run.profile == "publish") return {};
  std::vector<int> processes;
  for (const auto& group : run.groups) {
    for (const auto& cell : group.cells) processes.push_back(cell.valid_processes);
  }
  const auto [fewest, most] = std::minmax_element(processes.begin(), processes.end());
  const int low = processes.empty() ? 0 : *fewest;
  const int high = processes.empty() ? 0 : *most;
  const auto range = low == high ? std::to_string(high) : fmt::format("{} to {}", low, high);
  const bool unguarded = run.run.environment.value("noise_guard", "on") == "off";
  return fmt::format("orientation: {} process{}, not for publication{}", range, high == 1 ? "" : "es",
                     unguarded ? "; noise guard off" : "");
}

}  // namespace

NoiseAnalysis summarize_noise(const RunContents& contents) {
  NoiseAnalysis noise;
  std::map<std::string, NoiseReason> reasons;  // by their words before the first number
  for (const auto& process : contents.processes) {
    noise.by_process.push_back(
        {process.cell_id, process.process, process.valid, process.reason, process.noise});
    noise.processes += counts(process);
    if (process.valid) continue;
    noise.rejected += counts(process);
    auto& kind = reasons[process.reason.substr(0, process.reason.find_first_of("0123456789"))];
    if (++kind.count == 1) {
      kind.reason = process.reason;
      kind.cell_id = process.cell_id;
    }
  }
  for (const auto& [words, kind] : reasons) noise.reasons.push_back(kind);
  return noise;
}

void set_standing(RunAnalysis& run) {
  run.standing = standing_of(run);
  if (run.run.profile != "publish") return;
  run.marks = marks_of(run);
  run.publishable = run.marks.empty();
}

}  // namespace attnbench
