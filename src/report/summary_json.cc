#include "core/json.h"
#include "report/summary.h"

namespace attnbench {
namespace {

using nlohmann::json;

json interval_json(const std::optional<stats::Interval>& interval) {
  if (!interval) return {};
  json out = {{"estimate", interval->estimate}, {"low", nullptr}, {"high", nullptr}};
  if (interval->is_bounded()) {
    out["low"] = interval->low;
    out["high"] = interval->high;
  }
  return out;
}

json kernel_json(const KernelSummary& k) {
  return {{"kernel_id", k.kernel.id()},
          {"mechanism", k.kernel.mechanism},
          {"kernel", k.kernel.kernel},
          {"engine", k.kernel.engine},
          {"path", k.kernel.path},
          {"num_kv_heads", k.kernel.num_kv_heads},
          {"status", k.status},
          {"reason", k.reason},
          {"processes", k.processes},
          {"seconds", interval_json(k.seconds)},
          {"ratio", interval_json(k.ratio)}};
}

}  // namespace

json run_summary(const Store& store, std::int64_t run_id) {
  const auto summary = summarize(store, run_id);
  json out = {{"study", summary.run.study},
              {"profile", summary.run.profile},
              {"machine", machine_label(summary.run)},
              {"standing", standing(summary)},
              {"confidence", stats::kConfidence},
              {"cells", json::array()}};
  for (const auto& c : summary.cells) {
    json entry = {{"cell_id", c.cell.cell_id},
                  {"device", c.cell.device},
                  {"threads", c.cell.threads},
                  {"condition", c.cell.condition},
                  {"phase", c.cell.phase},
                  {"scope", c.cell.scope},
                  {"shape", to_json(c.cell.shape)},
                  {"valid_processes", c.valid_processes},
                  {"invalid_processes", c.invalid_reasons},
                  {"baseline", c.baseline},
                  {"aa_ratio", interval_json(c.aa_ratio)},
                  {"kernels", json::array()}};
    for (const auto& kernel : c.kernels) entry["kernels"].push_back(kernel_json(kernel));
    out["cells"].push_back(std::move(entry));
  }
  return out;
}

}  // namespace attnbench
