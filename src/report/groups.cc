#include "report/groups.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

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

}  // namespace

GroupedRun group_cells(const RunSummary& summary) {
  std::vector<std::pair<std::string, Facts>> keys;  // of the groups, in order
  GroupedRun grouped;
  for (const auto& cell : summary.cells) {
    const auto title = fmt::format("{} {}", cell.cell.scope, dtype_text(cell.cell.shape));
    const auto key = std::make_pair(title, facts_of(cell.cell));
    const auto at = std::find(keys.begin(), keys.end(), key) - keys.begin();
    if (at == std::ssize(keys)) {
      keys.push_back(key);
      grouped.groups.push_back({title, {}});
    }
    grouped.groups[static_cast<std::size_t>(at)].cells.push_back(&cell);
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
                     [](const auto* a, const auto* b) { return a->seqlen() < b->seqlen(); });
  }
  return grouped;
}

}  // namespace attnbench
