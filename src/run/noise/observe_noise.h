#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>

#include "attnbench/cpu_device.h"

namespace attnbench {

/// What disturbs this machine now, while every thread works for so many seconds: an idle CPU shows no steal.
/// The difference() of two probes with "sentinel_drift", and "consumers", the busiest() other processes.
/// `also` runs between the probes.
nlohmann::json observe_noise(const CpuDevice& device, double seconds, const std::function<void()>& also = {});

}  // namespace attnbench
