#include "store/noise_flags.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

namespace attnbench {

std::vector<std::string> noise_flags(const nlohmann::json& noise) {
  std::vector<std::string> flags;
  if (!noise.is_object()) return flags;
  if (const auto state = noise.find("thermal_state");
      state != noise.end() && state->is_string() && *state != "nominal")
    flags.push_back(fmt::format("thermal state '{}'", state->get<std::string>()));
  if (const auto mode = noise.find("low_power_mode"); mode != noise.end() && *mode == true)
    flags.emplace_back("Low Power Mode");
  if (const auto share = noise.find("efficiency_core_share");
      share != noise.end() && share->is_number() && share->get<double>() > kEfficiencyShare)
    flags.push_back(
        fmt::format("more than {:g} % of the CPU time on efficiency cores", 100 * kEfficiencyShare));
  return flags;
}

}  // namespace attnbench
