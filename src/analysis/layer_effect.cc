#include "analysis/layer_effect.h"

#include "analysis/process_times.h"
#include "stats/contrast.h"

namespace attnbench {
namespace {

bool same_but_scope(const CellRecord& core, const CellRecord& layer) {
  auto shape = layer.shape;
  shape.d_model = core.shape.d_model;
  return core.scope == "core" && layer.scope == "layer" && shape == core.shape &&
         core.device == layer.device && core.threads == layer.threads && core.condition == layer.condition &&
         core.phase == layer.phase;
}

std::optional<stats::Verdict> verdict_of(const KernelAnalysis& kernel) {
  if (!kernel.judgement) return std::nullopt;
  return kernel.judgement->verdict;
}

std::optional<bool> differ(std::optional<stats::Verdict> a, std::optional<stats::Verdict> b) {
  if (!a || !b) return std::nullopt;
  return *a != *b && *a != stats::Verdict::kUnresolved && *b != stats::Verdict::kUnresolved;
}

void add_effects(std::vector<LayerEffect>& effects, const GroupAnalysis& core_group, const CellAnalysis& core,
                 const GroupAnalysis& layer_group, const CellAnalysis& layer) {
  for (const auto& alone : core.kernels) {
    const auto* inside = layer.find(alone.id());
    if (!alone.ok() || inside == nullptr || !inside->ok()) continue;
    LayerEffect effect;
    effect.core_group = core_group.id;
    effect.layer_group = layer_group.id;
    effect.dtype = core_group.dtype;
    effect.seqlen = core.seqlen();
    effect.kernel_id = alone.id();
    effect.function = alone.function;
    effect.share = stats::exponential(
        stats::welch_difference(log_seconds(alone.by_process), log_seconds(inside->by_process)).interval());
    effect.core_gain = alone.ratio;
    effect.layer_gain = inside->ratio;
    effect.core_verdict = verdict_of(alone);
    effect.layer_verdict = verdict_of(*inside);
    if (alone.judgement) effect.core_margin_ratio = alone.judgement->margin_ratio;
    if (inside->judgement) effect.layer_margin_ratio = inside->judgement->margin_ratio;
    effect.differs = differ(effect.core_verdict, effect.layer_verdict);
    effects.push_back(std::move(effect));
  }
}

}  // namespace

std::vector<LayerEffect> layer_effects(const RunAnalysis& run) {
  std::vector<LayerEffect> effects;
  for (const auto& core_group : run.groups) {
    for (const auto& core : core_group.cells) {
      for (const auto& layer_group : run.groups) {
        for (const auto& layer : layer_group.cells) {
          if (same_but_scope(core.cell, layer.cell))
            add_effects(effects, core_group, core, layer_group, layer);
        }
      }
    }
  }
  return effects;
}

}  // namespace attnbench
