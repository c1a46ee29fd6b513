#pragma once

#include "attnbench/cpu_device.h"

namespace attnbench {

/// Takes two to three seconds and 256 MiB (or twice the last-level cache, if that is more).
Ceilings measure_ceilings(const CpuDevice& device);

}  // namespace attnbench
