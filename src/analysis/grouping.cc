#include "analysis/grouping.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

namespace attnbench {
namespace {

using Facts = std::vector<std::string>;

std::string dtype_text(const Shape& s) {
  if (s.dtype_q == s.dtype_kv && s.dtype_q == s.dtype_o) return std::string(name(s.dtype_q));
  return fmt::format("{}/{}/{}", name(s.dtype_q), name(s.dtype_kv), name(s.dtype_o));
}

std::string counted(std::int64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

/// All of a cell but scope, dtype and N, in words. The same places in every cell; empty where it has no part.
Facts facts_of(const CellRecord& cell) {
  const auto& s = cell.shape;
  const bool decode = cell.phase == "decode";
  return {
      cell.device == "unknown" ? "device not stated" : cell.device,
      decode ? fmt::format("decode of {}, N = keys", counted(s.seqlen_q, "query token")) : cell.phase,
      fmt::format("{} caches", cell.condition),
      fmt::format("batch {}", s.batch),
      counted(s.num_q_heads, "head"),
      s.head_dim_qk == s.head_dim_v ? fmt::format("head_dim {}", s.head_dim_qk)
                                    : fmt::format("head_dim {} (v: {})", s.head_dim_qk, s.head_dim_v),
      cell.scope == "layer" ? fmt::format("d_model {}", s.d_model) : "",
      std::string(name(s.layout)),
      s.seqlens_kv.empty() ? "" : fmt::format("lengths {}", fmt::join(s.seqlens_kv, "/")),
      std::isnan(s.softmax_scale) ? "" : fmt::format("scale {:.4g}", s.softmax_scale),
      cell.threads == 0 ? "" : counted(cell.threads, "thread"),
  };
}

std::string joined(const Facts& facts) {
  Facts present;
  std::copy_if(facts.begin(), facts.end(), std::back_inserter(present),
               [](const auto& f) { return !f.empty(); });
  return fmt::format("{}", fmt::join(present, ", "));
}

/// A cell's id without what tells its N: keys, and in prefill queries.
std::string group_id(const CellRecord& cell) {
  auto id = cell.cell_id;
  const auto cut = [&](const std::string& part) {
    const auto at = (id + "-").find(part + "-");
    if (at != std::string::npos) id.erase(at, part.size());
  };
  cut(fmt::format("-kv{}", cell.shape.seqlen_kv));
  if (cell.phase != "decode") cut(fmt::format("-q{}", cell.shape.seqlen_q));
  return id;
}

std::string short_mechanism(const std::string& mechanism) {
  const auto m = parse_mechanism(mechanism);
  if (m.kind != MechanismKind::block_sparse || m.globals != 1) return mechanism;
  const std::string part = ",globals=1";
  auto text = mechanism;
  return text.erase(text.find(part), part.size());
}

/// Mechanism and kernel, and as much of engine and path as it takes to tell the group's kernels apart. Those
/// that ran nowhere do not make the others' labels longer.
void set_labels(GroupAnalysis& group) {
  const auto base = [](const KernelRecord& k) { return short_mechanism(k.mechanism) + " " + k.kernel; };
  const auto with_path = [&](const KernelRecord& k) {
    return base(k) + (k.path.empty() ? "" : " " + k.path);
  };
  std::map<std::string, std::set<std::string>> by_base, by_path;
  for (const auto& cell : group.cells) {
    for (const auto& k : cell.kernels) {
      if (!k.ok()) continue;
      by_base[base(k.kernel)].insert(k.id());
      by_path[with_path(k.kernel)].insert(k.id());
    }
  }
  const auto alone = [](const auto& ids_by_label, const std::string& label, const std::string& id) {
    const auto found = ids_by_label.find(label);
    return found != ids_by_label.end() && found->second == std::set<std::string>{id};
  };
  for (auto& cell : group.cells) {
    for (auto& k : cell.kernels) {
      const auto id = k.id();
      k.label = alone(by_base, base(k.kernel), id)        ? base(k.kernel)
                : alone(by_path, with_path(k.kernel), id) ? with_path(k.kernel)
                                                          : id;
    }
  }
}

}  // namespace

GroupedCells group_cells(std::vector<CellAnalysis> cells) {
  std::vector<std::pair<std::string, Facts>> keys;  // of the groups, in order
  GroupedCells grouped;
  for (auto& cell : cells) {
    const auto dtype = dtype_text(cell.cell.shape);
    const auto title = fmt::format("{} {}", cell.cell.scope, dtype);
    const auto key = std::make_pair(title, facts_of(cell.cell));
    const auto at = std::find(keys.begin(), keys.end(), key) - keys.begin();
    if (at == std::ssize(keys)) {
      keys.push_back(key);
      auto& group = grouped.groups.emplace_back();
      group.id = group_id(cell.cell);
      group.heading = title;
      group.dtype = dtype;
    }
    grouped.groups[static_cast<std::size_t>(at)].cells.push_back(std::move(cell));
  }
  if (keys.empty()) return grouped;

  Facts common;
  for (std::size_t fact = 0; fact < keys[0].second.size(); ++fact) {
    const bool shared = std::all_of(
        keys.begin(), keys.end(), [&](const auto& key) { return key.second[fact] == keys[0].second[fact]; });
    if (!shared) continue;
    common.push_back(keys[0].second[fact]);
    for (auto& key : keys) key.second[fact].clear();
  }
  grouped.common = joined(common);
  for (std::size_t g = 0; g < keys.size(); ++g) {
    auto& group = grouped.groups[g];
    if (const auto own = joined(keys[g].second); !own.empty()) group.heading += ", " + own;
    std::stable_sort(group.cells.begin(), group.cells.end(),
                     [](const auto& a, const auto& b) { return a.seqlen() < b.seqlen(); });
    set_labels(group);
  }
  return grouped;
}

}  // namespace attnbench
