#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "attnbench/ceilings.h"
#include "run/environment/advice.h"

namespace attnbench {

/// For people: CPU, system, build and noise, a fact a line. `environment` from probe_environment(), `noise`
/// from observe_noise().
std::string machine_page(const nlohmann::json& environment, const nlohmann::json& noise);
/// `disturbance`: why the ceilings are not to be relied on, if they are not.
std::string ceilings_page(const Ceilings& ceilings, const std::optional<std::string>& disturbance);
std::string advice_page(const std::vector<Advice>& advice);

/// For a report of a fault: machine_page() and the engines (engine_facts()) as a block of Markdown,
/// without_names(). No other process is named.
std::string issue_page(const std::string& machine_key, const nlohmann::json& environment,
                       const nlohmann::json& noise, const nlohmann::json& engines,
                       const std::vector<std::string>& names);

}  // namespace attnbench
