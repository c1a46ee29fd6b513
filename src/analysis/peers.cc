#include "analysis/peers.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>
#include <vector>

#include "analysis/looks.h"
#include "analysis/process_times.h"
#include "stats/verdicts.h"

namespace attnbench {
namespace {

bool stands_for_us(const KernelRecord& kernel) {
  return is_own(kernel) && kernel.form == "fused" && kernel.is_default_path;
}

/// Our fused kernel of a mechanism: the one that is measured, else the first, for its reason; null where
/// there is none.
const KernelAnalysis* our_kernel(const CellAnalysis& cell, const std::string& mechanism) {
  const KernelAnalysis* ours = nullptr;
  for (const auto& kernel : cell.kernels) {
    if (kernel.kernel.mechanism != mechanism || !stands_for_us(kernel.kernel)) continue;
    if (kernel.seconds) return &kernel;
    if (ours == nullptr) ours = &kernel;
  }
  return ours;
}

PeerStanding standing_of(const stats::Judgement& judgement) {
  switch (judgement.verdict) {
    case stats::Verdict::kFaster:
      return PeerStanding::ahead;
    case stats::Verdict::kEquivalent:
      return PeerStanding::tied;
    case stats::Verdict::kSlower:
      return PeerStanding::behind;
    case stats::Verdict::kUnresolved:
      break;
  }
  return PeerStanding::undecided;
}

/// Rows whose verdicts are found together.
struct PeerFamily {
  std::vector<std::size_t> rows;
  std::vector<std::vector<double>> logs;
};
using PeerFamilies = std::map<std::tuple<std::string, std::string, std::string>, PeerFamily>;

/// Why a ratio that is there has no verdict; empty where it may have one.
std::string why_no_verdict(const CellAnalysis& cell, const KernelAnalysis& ours, const KernelAnalysis& peer) {
  if (!cell.withheld.empty()) return cell.withheld;
  for (const auto* kernel : {&ours, &peer}) {
    if (!kernel->unranked.empty()) return fmt::format("{}: {}", kernel->id(), kernel->unranked);
  }
  return "";
}

void add_row(RunAnalysis& run, const GroupAnalysis& group, const CellAnalysis& cell,
             const KernelAnalysis& peer, PeerFamilies& families) {
  PeerRow row;
  row.cell_id = cell.cell.cell_id;
  row.group = group.id;
  row.seqlen = cell.seqlen();
  row.mechanism = peer.kernel.mechanism;
  row.engine = peer.kernel.engine;
  row.kernel = peer.id();
  row.status = peer.status;
  row.reason = peer.reason;
  row.seconds = peer.seconds;
  const auto* ours = our_kernel(cell, row.mechanism);
  if (ours != nullptr) {
    row.ours = ours->id();
    row.our_seconds = ours->seconds;
  }
  if (peer.seconds && ours == nullptr) row.reason = "no fused kernel of ours was measured";
  if (peer.seconds && ours != nullptr && !ours->seconds)
    row.reason = fmt::format("{}: {}: {}", row.ours, ours->status, ours->reason);
  if (peer.seconds && row.our_seconds) {
    std::vector<double> logs;
    for (const auto& [process, log] : process_log_ratios(peer.by_process, ours->by_process))
      logs.push_back(log);
    if (logs.empty()) {
      row.reason = "no process has both";
    } else {
      row.standing = PeerStanding::undecided;
      row.reason = why_no_verdict(cell, *ours, peer);
      auto& family = families[{cell.cell.device, group.dtype, cell.cell.scope}];
      family.rows.push_back(run.peers.rows.size());
      family.logs.push_back(std::move(logs));
    }
  }
  run.peers.rows.push_back(std::move(row));
}

void judge_rows(RunAnalysis& run, const PeerFamilies& families) {
  auto& peers = run.peers;
  for (const auto& [key, family] : families) {
    const auto judgements = stats::judge_family(family.logs, planned_margin(run.run));
    for (std::size_t i = 0; i < judgements.size(); ++i) {
      auto& row = peers.rows[family.rows[i]];
      row.ratio = judgements[i].ratio;
      row.modes = judgements[i].modes;
      if (run.published || !row.reason.empty()) continue;
      row.judgement = judgements[i];
      row.standing = standing_of(judgements[i]);
    }
  }
}

PeerEngine& engine_named(PeerComparison& peers, const std::string& name) {
  const auto found = std::find_if(peers.engines.begin(), peers.engines.end(),
                                  [&](const auto& engine) { return engine.engine == name; });
  if (found != peers.engines.end()) return *found;
  peers.engines.push_back({});
  peers.engines.back().engine = name;
  return peers.engines.back();
}

/// Counts what each engine has in a cell and mechanism as one.
void summarize_engines(PeerComparison& peers) {
  struct Case {
    PeerStanding worst = PeerStanding::ahead;
    double lowest = 0;
  };
  std::map<std::tuple<std::string, std::string, std::string>, Case> cases;  // engine, cell, mechanism
  const auto badness = [](PeerStanding standing) {
    if (standing == PeerStanding::behind) return 3;
    if (standing == PeerStanding::undecided) return 2;
    return standing == PeerStanding::tied ? 1 : 0;
  };
  for (const auto& row : peers.rows) {
    engine_named(peers, row.engine);
    if (!row.ratio) continue;
    const auto [at, is_new] = cases.try_emplace({row.engine, row.cell_id, row.mechanism});
    auto& one = at->second;
    if (badness(row.standing) > badness(one.worst)) one.worst = row.standing;
    one.lowest = is_new ? row.ratio->estimate : std::min(one.lowest, row.ratio->estimate);
  }
  for (const auto& [key, one] : cases) {
    auto& engine = engine_named(peers, std::get<0>(key));
    engine.ahead += one.worst == PeerStanding::ahead;
    engine.tied += one.worst == PeerStanding::tied;
    engine.behind += one.worst == PeerStanding::behind;
    engine.undecided += one.worst == PeerStanding::undecided;
    engine.lowest = std::min(engine.lowest.value_or(one.lowest), one.lowest);
    engine.highest = std::max(engine.highest.value_or(one.lowest), one.lowest);
  }
}

/// The two reasons that most of an engine's rows give: its kernels may be for different devices.
std::string usual_reasons(const PeerComparison& peers, const std::string& engine) {
  std::map<std::string, int> counts;
  for (const auto& row : peers.rows) {
    if (row.engine == engine) ++counts[row.status == "ok" ? row.reason : row.status + ": " + row.reason];
  }
  std::vector<std::pair<std::string, int>> reasons(counts.begin(), counts.end());
  std::stable_sort(reasons.begin(), reasons.end(),
                   [](const auto& a, const auto& b) { return a.second > b.second; });
  return reasons.size() == 1 ? reasons[0].first : fmt::format("{}; {}", reasons[0].first, reasons[1].first);
}

/// Engines that the measuring program did not have, as the run stored them.
void add_absent_engines(RunAnalysis& run) {
  const auto& environment = *run.run.environment;
  if (!environment.is_object() || !environment.contains("missing_engines")) return;
  const auto& list = environment.at("missing_engines");
  if (!list.is_array()) return;
  const auto text = [](const nlohmann::json& entry, const char* field) {
    const bool there = entry.is_object() && entry.contains(field) && entry.at(field).is_string();
    return there ? entry.at(field).get<std::string>() : std::string();
  };
  for (const auto& entry : list) {
    KernelRecord any;
    any.engine = text(entry, "engine");
    if (any.engine.empty() || is_own(any)) continue;
    auto& engine = engine_named(run.peers, any.engine);
    if (!engine.lowest) engine.missing = text(entry, "reason");
  }
}

}  // namespace

bool is_own(const KernelRecord& kernel) { return kernel.engine == "cpu" || kernel.engine == "cuda"; }

std::string_view to_string(PeerStanding standing) {
  switch (standing) {
    case PeerStanding::ahead:
      return "ahead";
    case PeerStanding::tied:
      return "tied";
    case PeerStanding::behind:
      return "behind";
    case PeerStanding::undecided:
      return "not decided";
    case PeerStanding::missing:
      break;
  }
  return "missing";
}

void compare_peers(RunAnalysis& run) {
  const bool has_ours = std::any_of(run.groups.begin(), run.groups.end(), [](const auto& group) {
    return std::any_of(group.cells.begin(), group.cells.end(), [](const auto& cell) {
      return std::any_of(cell.kernels.begin(), cell.kernels.end(),
                         [](const auto& kernel) { return stands_for_us(kernel.kernel); });
    });
  });
  if (!has_ours) return;
  PeerFamilies families;
  for (const auto& group : run.groups) {
    for (const auto& cell : group.cells) {
      for (const auto& kernel : cell.kernels) {
        if (!is_own(kernel.kernel)) add_row(run, group, cell, kernel, families);
      }
    }
  }
  judge_rows(run, families);
  summarize_engines(run.peers);
  for (auto& engine : run.peers.engines) {
    if (!engine.lowest) engine.missing = usual_reasons(run.peers, engine.engine);
  }
  add_absent_engines(run);
}

}  // namespace attnbench
