#pragma once

#include <optional>
#include <string>

#include "core/ceilings.h"

namespace attnbench {

/// Why a call cannot have taken so little time: a rate more than 10 % above its ceiling. What has no ceiling
/// on the device says nothing.
std::optional<std::string> impossible(const Ceilings& ceilings, double executed_flops,
                                      double compulsory_bytes, double seconds, DType dtype);

}  // namespace attnbench
