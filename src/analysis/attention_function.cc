#include "analysis/attention_function.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <vector>

#include "analysis/kernel_work.h"
#include "analysis/process_times.h"
#include "core/allowed_pairs.h"
#include "stats/process_value.h"

namespace attnbench {
namespace {

/// Keys that the queries may see, and those that dense attention shows them; over all sequences of one head.
struct Pairs {
  double allowed = 0, dense = 0;
};

Pairs pairs_of(const CellRecord& cell, const Mechanism& mechanism) {
  const auto& s = cell.shape;
  Pairs pairs;
  const auto add = [&](std::int64_t keys) {
    pairs.allowed += allowed_pairs(mechanism, s.seqlen_q, keys);
    pairs.dense += allowed_pairs({}, s.seqlen_q, keys);
  };
  if (s.seqlens_kv.empty()) add(s.seqlen_kv);  // each sequence of the batch has the same share
  for (const auto keys : s.seqlens_kv) add(keys);
  return pairs;
}

bool is_dense(const Mechanism& m) {
  return m.kind == MechanismKind::mha || m.kind == MechanismKind::gqa || m.kind == MechanismKind::mqa;
}

/// A single query is the last position: a causal mask hides nothing from it.
bool hides_later_keys(const Mechanism& mechanism, const CellRecord& cell) {
  return mechanism.is_causal() && cell.shape.seqlen_q > 1;
}

/// Whether every value of the one is that of the other, by their definitions.
bool computes_the_same(const Mechanism& mechanism, const Mechanism& baseline, const CellRecord& cell) {
  if (mechanism == baseline) return true;
  return is_dense(baseline) && mechanism.is_softmax() && mechanism.num_kv_heads == baseline.num_kv_heads &&
         hides_later_keys(mechanism, cell) == hides_later_keys(baseline, cell) &&
         pairs_of(cell, mechanism).allowed == pairs_of(cell, baseline).allowed;
}

Mechanism mechanism_of(const CellRecord& cell, const KernelRecord& kernel) {
  return problem_of(cell, kernel).mechanism;
}

/// The dense mechanism that the group is about: the baseline's, else mha.
Mechanism dense_mechanism(const GroupAnalysis& group) {
  const auto& cell = group.cells.front();
  const auto* baseline = cell.find(cell.baseline);
  if (baseline != nullptr) {
    const auto mechanism = mechanism_of(cell.cell, baseline->kernel);
    if (is_dense(mechanism)) return mechanism;
  }
  return bind_kv_heads(parse_mechanism("mha"), cell.cell.shape.num_q_heads, 0);
}

/// Of the kernels of the dense mechanism, causal or not, that ran at the most N the one with the lowest
/// geometric mean of its times; empty where none ran.
std::string best_dense(const GroupAnalysis& group, const Mechanism& dense, bool causal) {
  struct Candidate {
    int cells = 0;
    double log_seconds = 0;
  };
  std::map<std::string, Candidate> candidates;
  for (const auto& cell : group.cells) {
    for (const auto& kernel : cell.kernels) {
      const auto mechanism = mechanism_of(cell.cell, kernel.kernel);
      if (!kernel.seconds || !kernel.unranked.empty() || mechanism.kind != dense.kind ||
          mechanism.num_kv_heads != dense.num_kv_heads || hides_later_keys(mechanism, cell.cell) != causal)
        continue;
      auto& candidate = candidates[kernel.id()];
      ++candidate.cells;
      candidate.log_seconds += std::log(kernel.seconds->estimate);
    }
  }
  const auto worse = [](const auto& a, const auto& b) {
    if (a.second.cells != b.second.cells) return a.second.cells < b.second.cells;
    return a.second.log_seconds > b.second.log_seconds;
  };
  const auto best = std::max_element(candidates.begin(), candidates.end(), worse);
  return best == candidates.end() ? "" : best->first;
}

std::string function_in_words(const KernelAnalysis& kernel, const std::optional<Mechanism>& baseline) {
  auto words = keys_in_short(kernel.keys_share);
  words += words == "all" ? " keys" : " of the keys";
  const auto heads = kernel.kernel.num_kv_heads;
  if (baseline && heads != baseline->num_kv_heads)
    words += fmt::format(", {} kv head{}", heads, heads == 1 ? "" : "s");
  return words + (kernel.softmax ? "" : ", no softmax");
}

/// None where one of them is not ranked: it may lack processes, and then its time is not over those that both
/// have.
std::optional<stats::Interval> ratio_between(const KernelAnalysis& dense, const KernelAnalysis& kernel) {
  if (!dense.unranked.empty() || !kernel.unranked.empty()) return std::nullopt;
  std::vector<double> logs;
  for (const auto& [process, log] : process_log_ratios(dense.by_process, kernel.by_process))
    logs.push_back(log);
  if (logs.empty()) return std::nullopt;
  return stats::ratio_interval(logs);
}

}  // namespace

std::string keys_in_short(double share) {
  const double percent = 100 * share;
  if (share >= 1) return "all";
  if (percent >= 99.5) return "> 99 %";
  return percent >= 0.95 || percent == 0 ? fmt::format("{:.0f} %", percent)
                                         : fmt::format("{:.1g} %", percent);
}

std::string keys_in_short(std::span<const double> shares) {
  std::vector<std::string> texts;
  for (const double share : shares) texts.push_back(keys_in_short(share));
  if (std::adjacent_find(texts.begin(), texts.end(), std::not_equal_to<>()) == texts.end())
    return texts.empty() ? "" : texts.front();
  for (std::size_t i = 0; i + 1 < texts.size(); ++i) {
    if (texts[i + 1].ends_with(" %") && texts[i].ends_with(" %")) texts[i].resize(texts[i].size() - 2);
  }
  return fmt::format("{}", fmt::join(texts, "/"));
}

void describe_functions(GroupAnalysis& group) {
  const auto dense = dense_mechanism(group);
  group.dense = best_dense(group, dense, false);
  group.causal_dense = best_dense(group, dense, true);
  const auto first = group.reference();
  for (auto& cell : group.cells) {
    const auto* baseline_kernel = cell.find(cell.baseline);
    const auto baseline = baseline_kernel == nullptr
                              ? std::nullopt
                              : std::optional(mechanism_of(cell.cell, baseline_kernel->kernel));
    for (auto& kernel : cell.kernels) {
      const auto mechanism = mechanism_of(cell.cell, kernel.kernel);
      const auto pairs = pairs_of(cell.cell, mechanism);
      kernel.keys_share = pairs.dense > 0 ? pairs.allowed / pairs.dense : 0;
      kernel.softmax = mechanism.is_softmax();
      kernel.function = function_in_words(kernel, baseline);
      kernel.drop_in = baseline && computes_the_same(mechanism, *baseline, cell.cell);
      const auto* reference =
          cell.find(hides_later_keys(mechanism, cell.cell) ? group.causal_dense : group.dense);
      if (reference != nullptr && reference != &kernel) kernel.to_dense = ratio_between(*reference, kernel);
    }
    std::stable_partition(cell.kernels.begin(), cell.kernels.end(),
                          [&](const auto& kernel) { return kernel.id() == first; });
  }
}

}  // namespace attnbench
