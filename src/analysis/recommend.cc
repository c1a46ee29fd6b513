#include "analysis/recommend.h"

#include <fmt/format.h>

#include <algorithm>

#include "analysis/families.h"
#include "analysis/format.h"

namespace attnbench {
namespace {

using Kernels = std::vector<const KernelAnalysis*>;

std::string speed_in_words(const CellAnalysis& cell, const KernelAnalysis& kernel) {
  if (kernel.kernel.is_baseline) return "it is the baseline";
  return fmt::format("{} times the speed of the baseline {}", ratio_in_words(*kernel.ratio), cell.baseline);
}

/// The sentence after "At N = 512, " or "At N = 512, for mha, ".
std::string advice(const CellAnalysis& cell, const Kernels& kernels, const BestKernels& fastest,
                   const KernelAnalysis& best) {
  const auto speed = speed_in_words(cell, best);
  if (kernels.size() == 1) return fmt::format("{} is the only kernel measured: {}.", best.id(), speed);
  if (!cell.withheld.empty()) {
    return fmt::format("the fastest measured is {}: {}. That is no verdict: {}.", best.id(), speed,
                       cell.withheld);
  }
  if (fastest.has_winner())
    return fmt::format("use {}: {}. It is shown to be faster than all others.", best.id(), speed);
  constexpr std::size_t kNamed = 3;
  const auto named = [](const std::vector<std::string>& list, const char* many) {
    return list.size() <= kNamed ? fmt::format("{}", fmt::join(list, ", "))
                                 : fmt::format("{} {}", list.size(), many);
  };
  const auto& noisy = fastest.not_excluded;
  const auto kept =
      noisy.empty()
          ? ""
          : fmt::format(" Not excluded for noise alone, though slower by estimate than kernels that are: {}.",
                        named(noisy, "kernels"));
  if (fastest.set.size() == 1)
    return fmt::format("{} is not shown to be the fastest: {}.{}", best.id(), speed, kept);
  return fmt::format("none of {} is shown to be the fastest. {}: {}.{}", named(fastest.set, "tied kernels"),
                     best.id(), speed, kept);
}

/// Kernels with a time that take no part, with the reason; of one mechanism where it is named.
std::string not_ranked(const CellAnalysis& cell, const std::string& mechanism) {
  std::vector<std::string> list;
  for (const auto& kernel : cell.kernels) {
    const bool asked = mechanism.empty() || kernel.kernel.mechanism == mechanism;
    if (asked && !kernel.unranked.empty())
      list.push_back(fmt::format("{} ({})", kernel.id(), kernel.unranked));
  }
  return list.empty() ? "" : fmt::format(" Not ranked: {}.", fmt::join(list, ", "));
}

/// What the kernel computes where that is not the baseline's function, and what it gains over dense
/// attention.
std::string function_sentences(const GroupAnalysis& group, const CellAnalysis& cell,
                               const KernelAnalysis& kernel) {
  if (kernel.drop_in) return "";
  auto text =
      fmt::format(" It computes another function than the baseline: a query sees {}.", kernel.function);
  const auto mechanism = parse_mechanism(kernel.kernel.mechanism);
  const bool causal = mechanism.is_causal() && group.first().shape.seqlen_q > 1;
  const auto& dense = causal ? group.causal_dense : group.dense;
  if (kernel.to_dense && dense != cell.baseline) {
    text += fmt::format(" Against the fastest exact dense kernel, {}: {} times its speed.", dense,
                        ratio_in_words(*kernel.to_dense));
  } else if (causal && group.causal_dense.empty()) {
    text += " No causal softmax kernel was measured to set it against.";
  }
  return text;
}

void add(std::vector<Recommendation>& list, const GroupAnalysis& group, const CellAnalysis& cell,
         const std::string& mechanism, const Kernels& kernels, const BestKernels& fastest) {
  if (kernels.empty()) return;
  Recommendation r;
  r.seqlen = cell.seqlen();
  r.mechanism = mechanism;
  r.best = fastest;
  const auto* best = *std::max_element(kernels.begin(), kernels.end(), [](const auto* a, const auto* b) {
    return a->ratio->estimate < b->ratio->estimate;
  });
  if (!r.best.set.empty()) best = cell.find(r.best.set.front());
  r.ratio = best->ratio;
  r.sentence =
      fmt::format("At N = {},{} {}{}{}", r.seqlen, mechanism.empty() ? "" : " for " + mechanism + ",",
                  advice(cell, kernels, r.best, *best), function_sentences(group, cell, *best),
                  not_ranked(cell, mechanism));
  list.push_back(std::move(r));
}

}  // namespace

std::string ratio_in_words(const stats::Interval& ratio) {
  const auto estimate = ratio_text(ratio.estimate);
  return ratio.is_bounded() ? fmt::format("{} (95 % CI {})", estimate, range_text(ratio)) : estimate;
}

std::vector<Recommendation> recommend(const GroupAnalysis& group) {
  std::vector<Recommendation> list;
  for (const auto& cell : group.cells) {
    Kernels ranked;
    std::vector<std::string> mechanisms;
    for (const auto& kernel : cell.kernels) {
      if (!is_ranked(kernel)) continue;
      ranked.push_back(&kernel);
      if (mechanisms.empty() || mechanisms.back() != kernel.kernel.mechanism)
        mechanisms.push_back(kernel.kernel.mechanism);
    }
    add(list, group, cell, "", ranked, cell.best);
    for (const auto& mechanism : mechanisms) {
      Kernels of_it;
      std::copy_if(ranked.begin(), ranked.end(), std::back_inserter(of_it),
                   [&](const auto* kernel) { return kernel->kernel.mechanism == mechanism; });
      add(list, group, cell, mechanism, of_it, cell.best_of_mechanism.at(mechanism));
    }
  }
  return list;
}

}  // namespace attnbench
