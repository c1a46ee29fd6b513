#pragma once

#include <optional>
#include <string>

#include "attnbench/device.h"
#include "core/ceilings.h"

namespace attnbench {

/// Takes two to three seconds and 256 MiB (or twice the last-level cache, if that is more).
Ceilings measure_ceilings(const Device& device);

/// Why a call cannot have taken so little time: a rate more than 10 % above its ceiling.
std::optional<std::string> impossible(const Ceilings& ceilings, double executed_flops,
                                      double compulsory_bytes, double seconds, DType dtype);

}  // namespace attnbench
