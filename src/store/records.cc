#include "store/records.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "core/kernel_name.h"
#include "io/json.h"

namespace attnbench {
namespace {

/// "AMD EPYC 9R14 96-Core Processor" -> "AMD EPYC 9R14"; "Intel(R) Xeon(R) CPU E5 @ 2.30GHz" -> "Intel Xeon
/// E5".
std::string short_model(std::string model) {
  for (const std::string mark : {"(R)", "(TM)", "(r)", "(tm)"}) {
    for (auto at = model.find(mark); at != std::string::npos; at = model.find(mark))
      model.erase(at, mark.size());
  }
  std::istringstream words(model.substr(0, model.find('@')));
  std::string result;
  for (std::string word; words >> word;) {
    if (word == "CPU" || word == "Processor" || word.ends_with("-Core")) continue;
    result += (result.empty() ? "" : " ") + word;
  }
  return result;
}

}  // namespace

std::string machine_label(const RunRecord& run) {
  const auto& environment = *run.environment;
  if (environment.is_object()) {
    if (const auto name = environment.find("machine"); name != environment.end() && name->is_string())
      return name->get<std::string>();
  }
  const nlohmann::json::json_pointer model("/cpu/model");
  const bool known = environment.contains(model) && environment.at(model).is_string();
  const auto cpu = known ? short_model(environment.at(model).get<std::string>()) : "unknown CPU";
  return fmt::format("{} {}", cpu, run.machine_key.substr(0, 8));
}

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
