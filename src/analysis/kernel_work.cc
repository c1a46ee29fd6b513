#include "analysis/kernel_work.h"

#include <nlohmann/json.hpp>

#include "io/json.h"

namespace attnbench {
namespace {

/// The object of this name in the environment; an empty one where there is none.
const nlohmann::json& recorded(const RunRecord& run, const std::string& name) {
  static const auto kNone = nlohmann::json::object();
  if (!run.environment->is_object()) return kNone;
  const auto found = run.environment->find(name);
  return found == run.environment->end() || !found->is_object() ? kNone : *found;
}

void add_ceilings(std::vector<CeilingRow>& rows, const std::string& device, const nlohmann::json& document) {
  const auto ceilings = ceilings_from_json(document);
  for (const auto& c : ceilings.compute) {
    rows.push_back({device, "flops", std::string(name(c.dtype)), c.path, c.unit, std::nullopt,
                    ceilings.threads, c.flops_per_second, "FLOP/s"});
  }
  for (const auto& b : ceilings.bandwidth) {
    rows.push_back(
        {device, "read", "", "", "", b.bytes, ceilings.threads, b.read_bytes_per_second, "bytes/s"});
    rows.push_back(
        {device, "copy", "", "", "", b.bytes, ceilings.threads, b.copy_bytes_per_second, "bytes/s"});
  }
}

std::optional<double> percent(double amount, std::optional<double> seconds, double rate) {
  if (!seconds || !(rate > 0)) return std::nullopt;
  return 100 * amount / *seconds / rate;
}

}  // namespace

Problem problem_of(const CellRecord& cell, const KernelRecord& kernel) {
  auto mechanism = parse_mechanism(kernel.mechanism);
  mechanism.num_kv_heads = kernel.num_kv_heads;
  return {cell.shape, mechanism, parse_scope(cell.scope), parse_phase(cell.phase)};
}

std::vector<CeilingRow> ceiling_rows(const RunRecord& run) {
  std::vector<CeilingRow> rows;
  for (const auto& [threads, document] : recorded(run, "ceilings").items())
    add_ceilings(rows, "cpu", document);
  for (const auto& [device, facts] : recorded(run, "devices").items()) {
    if (facts.contains("ceilings")) add_ceilings(rows, device, facts.at("ceilings"));
  }
  return rows;
}

WorkAnalysis analyze_work(const CellRecord& cell, const KernelRecord& kernel, std::optional<double> seconds,
                          std::optional<double> executed_flops, const std::optional<Ceilings>& ceilings) {
  const auto problem = problem_of(cell, kernel);
  const auto amount = work(problem);
  WorkAnalysis result;
  result.useful_flops = amount.useful_flops;
  result.executed_flops = executed_flops;
  result.compulsory_bytes = amount.compulsory_bytes;
  if (problem.mechanism.is_softmax()) {
    const auto& s = cell.shape;
    result.kv_cache_bytes = static_cast<double>(s.batch * kernel.num_kv_heads * s.seqlen_kv) *
                            static_cast<double>((s.head_dim_qk + s.head_dim_v) * size_bytes(s.dtype_kv));
  }
  if (!ceilings) return result;
  const auto compute = compute_ceiling_flops(*ceilings, cell.shape.dtype_q);
  const auto bandwidth = bandwidth_ceiling(*ceilings, amount.compulsory_bytes);
  result.percent_of_compute = percent(amount.useful_flops, seconds, compute);
  if (executed_flops) result.percent_of_compute_executed = percent(*executed_flops, seconds, compute);
  result.percent_of_bandwidth = percent(amount.compulsory_bytes, seconds, bandwidth);
  if (compute > 0 && bandwidth > 0) {
    const bool is_compute = amount.useful_flops / compute >= amount.compulsory_bytes / bandwidth;
    result.bound = is_compute ? "compute" : "bandwidth";
  }
  return result;
}

double theoretical_exponent(const CellRecord& cell, const KernelRecord& kernel) {
  const auto kind = parse_mechanism(kernel.mechanism).kind;
  const bool dense = kind == MechanismKind::mha || kind == MechanismKind::gqa || kind == MechanismKind::mqa;
  if (cell.phase != "decode") return dense ? 2 : 1;
  // A fixed number of queries: they see all keys, or as many as fit the window or the block.
  return kind == MechanismKind::swa || kind == MechanismKind::block_sparse ? 0 : 1;
}

}  // namespace attnbench
