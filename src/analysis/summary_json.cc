#include "analysis/summary_json.h"

#include <fmt/format.h>

#include <cstdlib>
#include <nlohmann/json.hpp>
#include <string>

#include "analysis/format.h"
#include "analysis/json_values.h"

namespace attnbench {
namespace {

using nlohmann::json;

template <typename List, typename Convert>
json list_json(const List& list, Convert convert) {
  auto out = json::array();
  for (const auto& entry : list) out.push_back(convert(entry));
  return out;
}

/// Blocks are only looked at: six digits keep the page small.
json blocks_json(const std::vector<double>& blocks) {
  return list_json(
      blocks, [](double seconds) { return std::strtod(fmt::format("{:.6g}", seconds).c_str(), nullptr); });
}

json process_json(const ProcessTimes& p, bool judged) {
  return {{"process", p.process},
          {"judged", judged},
          {"seconds", p.seconds},
          {"mean_seconds", p.mean_seconds},
          {"log_ratio", value_json(p.log_ratio)},
          {"blocks", blocks_json(p.blocks)}};
}

json processes_json(const KernelAnalysis& k) {
  auto list = list_json(k.by_process, [](const auto& p) { return process_json(p, true); });
  for (const auto& p : k.later) list.push_back(process_json(p, false));
  return list;
}

json median_json(const std::optional<stats::MedianInterval>& median) {
  if (!median) return {};
  auto out = interval_json(median->interval);
  out["confidence"] = median->confidence > 0 ? json(median->confidence) : json();
  return out;
}

void add_statistics(json& out, const KernelAnalysis& k) {
  const auto spread = [&](double Spread::* member) { return k.spread ? json((*k.spread).*member) : json(); };
  const auto judged = [&](double stats::Judgement::* member) {
    return k.judgement ? json((*k.judgement).*member) : json();
  };
  out["unranked"] = k.unranked;
  out["seconds"] = interval_json(k.seconds);
  out["mean_seconds"] = value_json(k.mean_seconds);
  out["median"] = median_json(k.median);
  out["mad"] = value_json(k.mad);
  out["min"] = value_json(k.min);
  out["max"] = value_json(k.max);
  out["cv_within"] = spread(&Spread::cv_within);
  out["cv_between"] = spread(&Spread::cv_between);
  out["icc"] = spread(&Spread::icc);
  out["design_effect"] = spread(&Spread::design_effect);
  out["ratio"] = interval_json(k.ratio);
  out["modes"] = k.modes;
  out["wide"] = k.wide;
  out["to_dense"] = interval_json(k.to_dense);
  out["verdict"] = k.judgement ? json(stats::to_string(k.judgement->verdict)) : json();
  out["verdict_words"] = k.judgement ? json(verdict_text(*k.judgement)) : json();
  out["p_difference_adjusted"] = judged(&stats::Judgement::difference_p_adjusted);
  out["p_equivalence_adjusted"] = judged(&stats::Judgement::equivalence_p_adjusted);
  out["welch_p"] = value_json(k.welch_p);
  out["smallest_detectable_ratio"] = value_json(k.smallest_detectable_ratio);
  out["rejected"] =
      k.rejected ? json{{"seconds", k.rejected->seconds}, {"processes", k.rejected->processes}} : json();
  out["unbatched"] =
      k.unbatched ? json{{"p95", k.unbatched->p95}, {"cv", k.unbatched->cv}, {"calls", k.unbatched->calls}}
                  : json();
}

json start_up_json(const std::optional<StartUp>& start_up) {
  if (!start_up) return {};
  return {{"prepare_seconds", start_up->prepare_seconds},
          {"bind_seconds", value_json(start_up->bind_seconds)},
          {"first_call_seconds", start_up->first_call_seconds},
          {"pays_off_after_calls", value_json(start_up->pays_off_after_calls)}};
}

json implementation_json(const std::optional<Implementation>& implementation) {
  if (!implementation) return {};
  return {{"ran", implementation->ran}, {"known_by", implementation->known_by}};
}

json kernel_json(const KernelAnalysis& k) {
  json out = {{"id", k.id()},
              {"mechanism", k.kernel.mechanism},
              {"kernel", k.kernel.kernel},
              {"engine", k.kernel.engine},
              {"path", k.kernel.path},
              {"num_kv_heads", k.kernel.num_kv_heads},
              {"label", k.label},
              {"is_baseline", k.kernel.is_baseline},
              {"status", k.status},
              {"reason", k.reason},
              {"impossible", k.status == "impossible" ? k.reason : ""},
              {"processes", k.processes},
              {"implementation", implementation_json(k.implementation)},
              {"keys_share", k.keys_share},
              {"softmax", k.softmax},
              {"function", k.function},
              {"drop_in", k.drop_in},
              {"useful_flops", k.work.useful_flops},
              {"executed_flops", value_json(k.work.executed_flops)},
              {"compulsory_bytes", k.work.compulsory_bytes},
              {"moved_bytes", value_json(k.work.moved_bytes)},
              {"kv_cache_bytes", value_json(k.work.kv_cache_bytes)},
              {"percent_of_compute", value_json(k.work.percent_of_compute)},
              {"percent_of_compute_executed", value_json(k.work.percent_of_compute_executed)},
              {"percent_of_bandwidth", value_json(k.work.percent_of_bandwidth)},
              {"bound", k.work.bound},
              {"peak_bytes", value_json(k.peak_bytes)},
              {"workspace_bytes", value_json(k.workspace_bytes)},
              {"start_up", start_up_json(k.start_up)},
              {"by_process", processes_json(k)}};
  add_statistics(out, k);
  out["accuracy"] = k.accuracy ? json{{"max_error", k.accuracy->max_error},
                                      {"plain_error", k.accuracy->plain_error},
                                      {"tolerance", k.accuracy->tolerance}}
                               : json();
  return out;
}

json aa_json(const std::optional<stats::AaCheck>& aa) {
  if (!aa) return {};
  return {{"ratio", interval_json(aa->ratio)},
          {"deciding", interval_json(aa->deciding)},
          {"text", aa_text(*aa)},
          {"modes", aa->modes},
          {"p_adjusted", aa->p_adjusted},
          {"margin_ratio", aa->margin_ratio},
          {"fails_gate", aa->fails_gate},
          {"equivalent", aa->equivalent}};
}

json cell_json(const CellAnalysis& c) {
  return {{"cell_id", c.cell.cell_id},
          {"seqlen", c.seqlen()},
          {"seqlen_q", c.cell.shape.seqlen_q},
          {"baseline", c.baseline},
          {"valid_processes", c.valid_processes},
          {"judged_processes", c.judged_processes},
          {"share_not_excluded", c.share_not_excluded},
          {"rejected_processes", c.rejected_processes},
          {"invalid_reasons", c.invalid_reasons},
          {"aa", aa_json(c.aa)},
          {"withheld", c.withheld},
          {"best_set", c.best.set},
          {"not_excluded", c.best.not_excluded},
          {"fastest", c.fastest.empty() ? json() : json(c.fastest)},
          {"kernels", list_json(c.kernels, kernel_json)}};
}

json crossover_json(const std::optional<CrossoverAnalysis>& crossover) {
  if (!crossover) return {};
  json out = {{"estimates", crossover->estimates}, {"ranges", nullptr}};
  if (crossover->ranges) {
    out["ranges"] = list_json(*crossover->ranges, [](const stats::CrossoverRange& r) {
      return json{{"low", r.low}, {"high", r.high}, {"open_low", r.open_low}, {"open_high", r.open_high}};
    });
  }
  return out;
}

json series_json(const SeriesAnalysis& s) {
  return {{"id", s.kernel_id},
          {"exponent", interval_json(s.power_law.exponent)},
          {"theory", s.theory},
          {"log_scale", s.power_law.log_scale},
          {"largest_residual", s.power_law.largest_residual},
          {"steps", list_json(s.steps,
                              [](const stats::StepRatio& step) {
                                return json{{"from", step.from_seqlen},
                                            {"to", step.to_seqlen},
                                            {"ratio", interval_json(step.ratio)},
                                            {"per_doubling", interval_json(step.per_doubling)}};
                              })},
          {"crossover", crossover_json(s.crossover)}};
}

json recommendation_json(const Recommendation& r) {
  return {{"seqlen", r.seqlen},
          {"mechanism", r.mechanism.empty() ? json() : json(r.mechanism)},
          {"best_set", r.best.set},
          {"not_excluded", r.best.not_excluded},
          {"ratio", interval_json(r.ratio)},
          {"sentence", r.sentence}};
}

json group_json(const GroupAnalysis& g) {
  const auto& cell = g.first();
  const auto& s = cell.shape;
  return {{"id", g.id},
          {"heading", g.heading},
          {"scope", cell.scope},
          {"dtype", g.dtype},
          {"phase", cell.phase},
          {"condition", cell.condition},
          {"threads", cell.threads},
          {"device", cell.device},
          {"layout", name(s.layout)},
          {"batch", s.batch},
          {"num_q_heads", s.num_q_heads},
          {"head_dim_qk", s.head_dim_qk},
          {"head_dim_v", s.head_dim_v},
          {"d_model", s.d_model},
          {"seqlens", list_json(g.cells, [](const CellAnalysis& c) { return c.seqlen(); })},
          {"dense", g.dense.empty() ? json() : json(g.dense)},
          {"causal_dense", g.causal_dense.empty() ? json() : json(g.causal_dense)},
          {"cells", list_json(g.cells, cell_json)},
          {"series", list_json(g.series, series_json)},
          {"recommendation", list_json(g.recommendation, recommendation_json)}};
}

json noise_json(const NoiseAnalysis& noise) {
  return {
      {"processes", noise.processes},
      {"rejected", noise.rejected},
      {"interrupted", noise.interrupted},
      {"reasons", list_json(noise.reasons,
                            [](const NoiseReason& r) {
                              return json{{"reason", r.reason}, {"cell_id", r.cell_id}, {"count", r.count}};
                            })},
      {"flags",
       list_json(noise.flags, [](const NoiseFlag& f) { return json{{"flag", f.flag}, {"count", f.count}}; })},
      {"by_process", list_json(noise.by_process, [](const ProcessNoise& p) {
         auto row = p.noise->is_object() ? *p.noise : json::object();
         row["cell_id"] = p.cell_id;
         row["process"] = p.process;
         row["valid"] = p.valid;
         row["reason"] = p.reason;
         row["flags"] = p.flags;
         return row;
       })}};
}

json verdict_json(std::optional<stats::Verdict> verdict) {
  return verdict ? json(stats::to_string(*verdict)) : json();
}

json words_json(std::optional<stats::Verdict> verdict, double margin_ratio) {
  return verdict ? json(verdict_text(*verdict, margin_ratio)) : json();
}

json rejected_json(const std::optional<RejectedEffect>& effect) {
  if (!effect) return {};
  return {{"processes", effect->processes},
          {"verdicts", effect->verdicts},
          {"others", effect->others},
          {"withheld", effect->withheld},
          {"more", effect->more},
          {"text", effect->text()},
          {"changes", list_json(effect->changes, [](const RejectedEffect::Change& change) {
             return json{{"cell_id", change.cell_id},
                         {"kernel", change.kernel_id},
                         {"without", verdict_json(change.without)},
                         {"with", verdict_json(change.with)}};
           })}};
}

json layer_json(const LayerEffect& e) {
  return {{"core_group", e.core_group},
          {"layer_group", e.layer_group},
          {"dtype", e.dtype},
          {"seqlen", e.seqlen},
          {"kernel", e.kernel_id},
          {"function", e.function},
          {"share", interval_json(e.share)},
          {"core_gain", interval_json(e.core_gain)},
          {"layer_gain", interval_json(e.layer_gain)},
          {"core_verdict", verdict_json(e.core_verdict)},
          {"layer_verdict", verdict_json(e.layer_verdict)},
          {"core_verdict_words", words_json(e.core_verdict, e.core_margin_ratio)},
          {"layer_verdict_words", words_json(e.layer_verdict, e.layer_margin_ratio)},
          {"differs", value_json(e.differs)}};
}

json peer_row_json(const PeerRow& r) {
  return {{"cell_id", r.cell_id},
          {"group", r.group},
          {"seqlen", r.seqlen},
          {"mechanism", r.mechanism},
          {"engine", r.engine},
          {"ours", r.ours.empty() ? json() : json(r.ours)},
          {"kernel", r.kernel},
          {"our_seconds", interval_json(r.our_seconds)},
          {"seconds", interval_json(r.seconds)},
          {"ratio", interval_json(r.ratio)},
          {"modes", r.modes},
          {"verdict", r.judgement ? json(stats::to_string(r.judgement->verdict)) : json()},
          {"verdict_words", r.judgement ? json(verdict_text(*r.judgement)) : json()},
          {"p_difference_adjusted", r.judgement ? json(r.judgement->difference_p_adjusted) : json()},
          {"p_equivalence_adjusted", r.judgement ? json(r.judgement->equivalence_p_adjusted) : json()},
          {"standing", to_string(r.standing)},
          {"status", r.status},
          {"reason", r.reason}};
}

json peers_json(const PeerComparison& peers) {
  return {{"engines", list_json(peers.engines,
                                [](const PeerEngine& e) {
                                  return json{{"engine", e.engine},
                                              {"ahead", e.ahead},
                                              {"tied", e.tied},
                                              {"behind", e.behind},
                                              {"undecided", e.undecided},
                                              {"lowest_ratio", value_json(e.lowest)},
                                              {"highest_ratio", value_json(e.highest)},
                                              {"missing", e.missing}};
                                })},
          {"rows", list_json(peers.rows, peer_row_json)}};
}

json ceiling_json(const CeilingRow& c) {
  return {{"device", c.device}, {"quantity", c.quantity},       {"dtype", c.dtype},
          {"path", c.path},     {"operation", c.operation},     {"threads", c.threads},
          {"value", c.value},   {"bytes", value_json(c.bytes)}, {"unit", c.unit}};
}

json command_json(const RunRecord& run) {
  const auto command = run.plan->is_object() ? run.plan->find("command") : run.plan->end();
  return command != run.plan->end() && command->is_string() ? *command : json();
}

json cpu_set_json(const CpuSet& set) {
  auto used = json::array();
  for (const auto& [threads, cpus] : set.used) {
    const auto cores = set.cores.find(threads);
    used.push_back({{"threads", threads},
                    {"cpus", cpus},
                    {"cores", cores != set.cores.end() ? json(cores->second) : json()}});
  }
  return {{"allowed", set.allowed.empty() ? json() : json(set.allowed)},
          {"used", used},
          {"command", set.command}};
}

}  // namespace

json to_json(const RunAnalysis& r) {
  return {{"id", r.id},
          {"machine", r.machine},
          {"kind", r.published ? "published" : "measured"},
          {"study",
           {{"name", r.run.study},
            {"profile", r.run.profile},
            {"seed", r.run.seed},
            {"plan_hash", r.run.plan_hash},
            {"build_id", r.run.build_id},
            {"machine_key", r.run.machine_key}}},
          {"command", command_json(r.run)},
          {"cpu_set", cpu_set_json(r.cpu_set)},
          {"environment", *r.run.environment},
          {"standing", r.standing},
          {"publishable", r.publishable ? json(to_string(*r.publishable)) : json()},
          {"marks", r.marks},
          {"mark", r.mark},
          {"common", r.common},
          {"measured_from", r.measured_from.empty() ? json() : json(r.measured_from)},
          {"measured_to", r.measured_to.empty() ? json() : json(r.measured_to)},
          {"wide", list_json(r.wide,
                             [](const WideRatio& w) {
                               return json{{"cell_id", w.cell_id},
                                           {"kernel", w.kernel_id},
                                           {"half_width", value_json(std::optional(w.half_width))}};
                             })},
          {"noise", noise_json(r.noise)},
          {"rejected_effect", rejected_json(r.rejected_effect)},
          {"ceilings", list_json(r.ceilings, ceiling_json)},
          {"groups", list_json(r.groups, group_json)},
          {"layer_effect", list_json(r.layer_effect, layer_json)},
          {"peers", peers_json(r.peers)}};
}

}  // namespace attnbench
