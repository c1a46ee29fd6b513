#include "store/records.h"

#include <nlohmann/json.hpp>

#include "core/kernel_name.h"
#include "io/json.h"

namespace attnbench {

std::optional<Ceilings> stored_ceilings(const RunRecord& run, const std::string& device, int threads) {
  const nlohmann::json::json_pointer place(device == "cpu" ? "/ceilings/" + std::to_string(threads)
                                                           : "/devices/" + device + "/ceilings");
  if (!run.environment->is_object() || !run.environment->contains(place)) return std::nullopt;
  return ceilings_from_json(run.environment->at(place));
}

std::string role_in_pair(const RunRecord& run) {
  const nlohmann::json::json_pointer role("/pair/role");
  return run.plan->contains(role) ? run.plan->at(role).get<std::string>() : "";
}

bool noise_guard_was_off(const RunRecord& run) {
  return run.environment->value("noise_guard", "on") == "off";
}

std::string KernelRecord::id() const { return kernel_id(mechanism, kernel, engine, path); }

}  // namespace attnbench
