#pragma once

#include <nlohmann/json_fwd.hpp>

#include "attnbench/cpu_device.h"

namespace attnbench {

/// What this build can compute with here: kernels (how many, by engine), paths (by element type: those of
/// kernels that compute it on this device), devices, missing_devices, missing_engines [{engine, reason}].
nlohmann::json engine_facts(const CpuDevice& device);

}  // namespace attnbench
